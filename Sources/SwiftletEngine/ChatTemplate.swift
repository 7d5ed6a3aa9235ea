import Foundation
public import SwiftletTemplate
public import SwiftletTensor
public import SwiftletText

/// What a prompt is made of besides the messages.
public struct ChatSettings: Sendable {
    /// The tools that a model may call, as JSON schemas in OpenAI's form.
    public var tools: [TemplateValue]?
    /// Texts that a model shall answer from, objects with `title` and `text`.
    public var documents: [TemplateValue]?
    /// More values for the template, such as `enable_thinking`.
    public var values = TemplateObject()
    /// Whether the prompt ends where the model's answer begins.
    public var addsGenerationPrompt = true
    /// Today, for templates that write the date; `nil` is the machine's local time.
    public var date: TemplateDate?

    /// Only messages, and today's date.
    public init() {}
}

/// How conversations are written for a model: by its own template, or in one of the common forms.
///
/// ```swift
/// let template = try model.chatTemplate()
/// let text = try template.prompt([ChatMessage(.user, "Hello")])
/// ```
public struct ChatTemplate: Sendable {
    /// Where the template is from, or the name of the form.
    public let name: String
    /// The form that the template was recognised as, or that is used.
    public let format: ChatFormat
    /// The text of the template, if it is one.
    public let source: String?
    private let template: Template?
    private let bos: String
    private let eos: String
    /// Whether instructions have a place in the template.
    private let hasSystem: Bool

    /// One of the common forms.
    public init(_ format: ChatFormat) {
        self.format = format
        name = format.rawValue
        source = nil
        template = nil
        (bos, eos) = ("", "")
        hasSystem = true
    }

    /// Compiles a Jinja template.
    ///
    /// - Parameters:
    ///   - name: names the template in errors.
    ///   - tokenizer: tells the texts of the tokens that begin and end a text.
    /// - Throws: `.malformed` with the line that is wrong.
    public init(_ source: String, name: String, tokenizer: Tokenizer?) throws(SwiftletError) {
        self.name = name
        self.source = source
        format = ChatFormat(template: source)
        let template = try Template(source, name: name)
        let bos = tokenizer?.bos.flatMap { tokenizer?.piece($0) } ?? ""
        let eos = tokenizer?.eos.flatMap { tokenizer?.piece($0) } ?? ""
        (self.template, self.bos, self.eos) = (template, bos, eos)
        let mark = "instructions-3f8a"
        let probe = [ChatMessage(.system, mark), ChatMessage(.user, "question")].map(\.templateValue)
        let values = Self.values(probe, ChatSettings(), bos: bos, eos: eos)
        hasSystem = (try? template.render(values, date: .epoch))?.contains(mark) ?? false
    }

    /// Whether prompts are made by a Jinja template.
    public var isJinja: Bool { template != nil }

    /// The text of a conversation, ending where the model's next answer begins.
    ///
    /// Where a template has no place for instructions, they move into the question that follows.
    /// - Throws: `.invalidArgument` with the template's line if it fails or refuses the messages, `.unsupported` for
    ///   tools and documents without a template.
    public func prompt(
        _ messages: [ChatMessage], _ settings: ChatSettings = ChatSettings()
    ) throws(SwiftletError) -> String {
        guard template != nil else {
            guard settings.tools?.isEmpty ?? true, settings.documents?.isEmpty ?? true else {
                throw SwiftletError(
                    .unsupported,
                    "the chat format \(name) has no place for tools and documents; give a template that has one"
                )
            }
            return format.prompt(messages)
        }
        let folded = hasSystem ? messages : messages.foldingSystem(format.wrapSystem)
        return try prompt(values: folded.map(\.templateValue), settings)
    }

    /// The text of a conversation whose messages are given as the template shall see them: content of several
    /// parts, roles and fields of the model's own.
    ///
    /// - Throws: as ``prompt(_:_:)``; `.unsupported` without a template.
    public func prompt(
        values messages: [TemplateValue], _ settings: ChatSettings = ChatSettings()
    ) throws(SwiftletError) -> String {
        guard let template else {
            throw SwiftletError(.unsupported, "the chat format \(name) takes plain messages only")
        }
        return try template.render(
            Self.values(messages, settings, bos: bos, eos: eos), date: settings.date ?? .now)
    }

    private static func values(
        _ messages: [TemplateValue], _ settings: ChatSettings, bos: String, eos: String
    ) -> TemplateObject {
        var values: TemplateObject = [
            "messages": .array(messages), "add_generation_prompt": .bool(settings.addsGenerationPrompt),
            "bos_token": .string(bos), "eos_token": .string(eos), "tools": .null, "documents": .null,
        ]
        if let tools = settings.tools, !tools.isEmpty { values["tools"] = .array(tools) }
        if let documents = settings.documents, !documents.isEmpty { values["documents"] = .array(documents) }
        for (key, value) in zip(settings.values.keys, settings.values.values) { values[key] = value }
        return values
    }

    // MARK: Tokens

    /// The tokens of a prompt; a start token that both the template and the tokenizer write is there once.
    public func tokens(of prompt: String, _ tokenizer: Tokenizer) -> [TokenID] {
        let ids = tokenizer.encode(prompt)
        guard let bos = tokenizer.bos, ids.starts(with: [bos, bos]) else { return ids }
        return Array(ids.dropFirst())
    }

    /// What ends an answer, in case the model writes it as ordinary text.
    public var stopStrings: [String] { isJinja && format == .plain ? [] : format.stopStrings }

    /// The special tokens that end a turn: those of ``stopStrings``, and the one that the template writes behind an
    /// answer.
    public func stopTokens(_ tokenizer: Tokenizer) -> Set<TokenID> {
        var tokens = Set(stopStrings.compactMap(tokenizer.id(of:)).filter(tokenizer.isSpecial))
        if let end = endOfTurn(tokenizer) { tokens.insert(end) }
        return tokens
    }

    private func endOfTurn(_ tokenizer: Tokenizer) -> TokenID? {
        let mark = "answer-91c2"
        let talk = [
            ChatMessage(.user, "question"), ChatMessage(.assistant, mark), ChatMessage(.user, "more"),
        ]
        guard isJinja, let text = try? prompt(talk), let place = text.range(of: mark) else { return nil }
        let ids = tokenizer.encode(
            String(text[place.upperBound...].drop(while: \.isWhitespace)), addSpecial: false)
        return ids.first.flatMap { tokenizer.isSpecial($0) ? $0 : nil }
    }
}

extension TemplateDate {
    /// The beginning of 1970.
    static let epoch = TemplateDate(year: 1970, month: 1, day: 1)

    /// The local time of this machine.
    static var now: TemplateDate {
        let parts = Calendar(identifier: .gregorian).dateComponents(
            [.year, .month, .day, .hour, .minute, .second], from: Date())
        return TemplateDate(
            year: parts.year ?? 1970, month: parts.month ?? 1, day: parts.day ?? 1, hour: parts.hour ?? 0,
            minute: parts.minute ?? 0, second: parts.second ?? 0)
    }
}
