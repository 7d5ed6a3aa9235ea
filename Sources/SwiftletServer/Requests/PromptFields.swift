import SwiftletEngine
import SwiftletFormats
import SwiftletModels
import SwiftletText

/// A prompt as tokens.
struct Prompt: Sendable {
    var tokens: [TokenID]

    /// What it stands for, special tokens included.
    func text(_ engine: Engine) -> String { engine.tokenizer.decode(tokens) }
}

/// What prompts are read for.
struct PromptTarget {
    let tokenizer: Tokenizer
    let vocabularySize: Int
    let contextLength: Int
    /// Tokens of the context that a prompt leaves free.
    let reserve: Int
}

extension Engine {
    /// Room for one more token is left, or nothing could be written.
    var target: PromptTarget {
        PromptTarget(
            tokenizer: tokenizer, vocabularySize: model.configuration.vocabularySize,
            contextLength: scheduler.contextLength, reserve: 1)
    }
}

/// Reads `prompt`: a text, a list of tokens (in which texts may stand, too), or a list of either.
enum PromptFields {
    /// Reads all prompts of a request.
    ///
    /// - Returns: the prompts, and whether the field was a list of them.
    static func read(
        _ fields: inout RequestFields, _ target: PromptTarget, named field: String = "prompt", limit: Int
    ) throws(APIError) -> (prompts: [Prompt], isList: Bool) {
        guard let value = fields.value(field) else { throw fields.missing(field) }
        let name = fields.path(field)
        guard value.kind == .array else {
            return ([try one(value, name, target)], false)
        }
        guard let first = value.elements.first(where: { _ in true }) else {
            throw .field(name, "is empty, expected a text or tokens")
        }
        let isOnePrompt = first.kind == .number || value.elements.contains { $0.kind == .number }
        if isOnePrompt { return ([try mixed(value, name, target)], false) }
        guard value.count <= limit else {
            throw .field(name, "holds \(value.count) prompts, expected at most \(limit)")
        }
        var prompts: [Prompt] = []
        for (index, element) in value.elements.enumerated() {
            prompts.append(try one(element, "\(name)[\(index)]", target))
        }
        return (prompts, true)
    }

    private static func one(_ value: JSON, _ name: String, _ target: PromptTarget) throws(APIError) -> Prompt
    {
        switch value.kind {
        case .string: return try checked(target.tokenizer.encode(value.bytes ?? []), name, target)
        case .array: return try mixed(value, name, target)
        case .object:
            var fields = try RequestFields(value, named: name)
            if let media = fields.value("multimodal_data"), media.kind != .array || media.count > 0 {
                throw .refused("\(name).multimodal_data", "this model reads text only")
            }
            let text = fields.has("content") ? try parts(&fields) : try string(&fields)
            try fields.finish()
            return try checked(target.tokenizer.encode(text), name, target)
        default:
            throw .field(
                name, "is \(RequestFields.describe(value)), expected a text or an array of tokens",
                code: "invalid_type")
        }
    }

    private static func string(_ fields: inout RequestFields) throws(APIError) -> [UInt8] {
        guard let text = fields.value("prompt_string") else { throw fields.missing("prompt_string") }
        guard let bytes = text.bytes else { throw fields.wrong("prompt_string", text, "a string") }
        return bytes
    }

    /// Parts of a text, as in messages.
    private static func parts(_ fields: inout RequestFields) throws(APIError) -> [UInt8] {
        var bytes: [UInt8] = []
        let path = fields.path("content")
        for (index, part) in (try fields.array("content", maximum: 1_024) ?? []).enumerated() {
            var part = try RequestFields(part, named: "\(path)[\(index)]")
            guard let type = try part.string("type") else { throw part.missing("type") }
            guard type == "text" else { throw .refused(part.path("type"), "this model reads text only") }
            guard let text = part.value("text") else { throw part.missing("text") }
            guard let more = text.bytes else { throw part.wrong("text", text, "a string") }
            try part.finish()
            bytes += more
        }
        return bytes
    }

    /// Tokens, between which texts may stand; a text at the beginning gets the tokens that begin a prompt.
    private static func mixed(_ value: JSON, _ name: String, _ target: PromptTarget) throws(APIError)
        -> Prompt
    {
        var tokens: [TokenID] = []
        let bound = target.vocabularySize
        for (index, element) in value.elements.enumerated() {
            if let bytes = element.bytes {
                tokens += target.tokenizer.encode(bytes, addSpecial: index == 0)
            } else if let id = RequestFields.wholeNumber(element) {
                guard (0..<bound).contains(id) else {
                    throw .field(
                        "\(name)[\(index)]", "is token \(id), expected one from 0 to \(bound - 1)")
                }
                tokens.append(TokenID(id))
            } else {
                throw .field(
                    "\(name)[\(index)]", "is \(RequestFields.describe(element)), expected a token or a text",
                    code: "invalid_type")
            }
        }
        return try checked(tokens, name, target)
    }

    /// Refuses prompts that are empty or do not fit.
    static func checked(_ tokens: [TokenID], _ name: String, _ target: PromptTarget) throws(APIError)
        -> Prompt
    {
        var tokens = tokens
        if tokens.isEmpty, let bos = target.tokenizer.bos { tokens = [bos] }
        guard !tokens.isEmpty else { throw .field(name, "is empty, expected a text or tokens") }
        guard tokens.count <= target.contextLength - target.reserve else {
            throw .contextExceeded(promptTokens: tokens.count, contextLength: target.contextLength)
        }
        return Prompt(tokens: tokens)
    }
}
