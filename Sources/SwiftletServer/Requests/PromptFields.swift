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

/// Reads `prompt`: a text, a list of tokens (in which texts may stand, too), or a list of either.
enum PromptFields {
    /// Reads all prompts of a request.
    ///
    /// - Returns: the prompts, and whether the field was a list of them.
    static func read(
        _ fields: inout RequestFields, _ engine: Engine, limit: Int
    ) throws(APIError) -> (prompts: [Prompt], isList: Bool) {
        guard let value = fields.value("prompt") else { throw fields.missing("prompt") }
        let name = fields.path("prompt")
        guard value.kind == .array else {
            return ([try one(value, name, engine)], false)
        }
        guard let first = value.elements.first(where: { _ in true }) else {
            throw .field(name, "is empty, expected a text or tokens")
        }
        let isOnePrompt = first.kind == .number || value.elements.contains { $0.kind == .number }
        if isOnePrompt { return ([try mixed(value, name, engine)], false) }
        guard value.count <= limit else {
            throw .field(name, "holds \(value.count) prompts, expected at most \(limit)")
        }
        var prompts: [Prompt] = []
        for (index, element) in value.elements.enumerated() {
            prompts.append(try one(element, "\(name)[\(index)]", engine))
        }
        return (prompts, true)
    }

    private static func one(_ value: JSON, _ name: String, _ engine: Engine) throws(APIError) -> Prompt {
        switch value.kind {
        case .string: return try checked(engine.tokenizer.encode(value.bytes ?? []), name, engine)
        case .array: return try mixed(value, name, engine)
        case .object:
            var fields = try RequestFields(value, named: name)
            if let media = fields.value("multimodal_data"), media.kind != .array || media.count > 0 {
                throw .refused("\(name).multimodal_data", "this model reads text only")
            }
            guard let text = fields.value("prompt_string") else { throw fields.missing("prompt_string") }
            guard let bytes = text.bytes else { throw fields.wrong("prompt_string", text, "a string") }
            try fields.finish()
            return try checked(engine.tokenizer.encode(bytes), name, engine)
        default:
            throw .field(
                name, "is \(RequestFields.describe(value)), expected a text or an array of tokens",
                code: "invalid_type")
        }
    }

    /// Tokens, between which texts may stand; a text at the beginning gets the tokens that begin a prompt.
    private static func mixed(_ value: JSON, _ name: String, _ engine: Engine) throws(APIError) -> Prompt {
        var tokens: [TokenID] = []
        let bound = engine.model.configuration.vocabularySize
        for (index, element) in value.elements.enumerated() {
            if let bytes = element.bytes {
                tokens += engine.tokenizer.encode(bytes, addSpecial: index == 0)
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
        return try checked(tokens, name, engine)
    }

    /// Refuses prompts that are empty or do not fit.
    static func checked(_ tokens: [TokenID], _ name: String, _ engine: Engine) throws(APIError) -> Prompt {
        var tokens = tokens
        if tokens.isEmpty, let bos = engine.tokenizer.bos { tokens = [bos] }
        guard !tokens.isEmpty else { throw .field(name, "is empty, expected a text or tokens") }
        guard tokens.count < engine.scheduler.contextLength else {
            throw .contextExceeded(
                promptTokens: tokens.count, contextLength: engine.scheduler.contextLength)
        }
        return Prompt(tokens: tokens)
    }
}
