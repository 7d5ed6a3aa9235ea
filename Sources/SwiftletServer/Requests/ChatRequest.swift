import SwiftletEngine
import SwiftletFormats
import SwiftletTemplate
import SwiftletTensor

/// A conversation as a client sent it, whatever the interface.
struct ChatRequest {
    var messages: [ChatMessage] = []
    var settings: ChatSettings
    /// What the answer must satisfy, and the field that says so; of the responses interface only.
    var answerSchema: (field: String, schema: JSON)?
    /// Whether the answer must be a JSON object; of the responses interface only.
    var isJSONObject = false
    /// The tools of which one must be called; `nil` leaves that to the model.
    var demanded: [ChatTool]?
    /// The tools whose calls must satisfy their schemas; `nil` leaves that to the model.
    var strict: [ChatTool]?
    /// Whether thoughts are told apart from the answer.
    var splitsReasoning: Bool
    /// Whether calls of tools are told apart.
    var parsesCalls: Bool { settings.tools?.isEmpty == false }

    /// No messages yet, and what the server's operator chose.
    init(_ server: ServerSettings) {
        settings = server.templateSettings
        splitsReasoning = server.splitsReasoning
    }

    /// The prompt of a conversation.
    struct Rendered: Sendable {
        var prompt: Prompt
        var text: String
        /// Whether the model goes on inside a thought.
        var isThinking: Bool
        var style: CallStyle
        var splitsReasoning: Bool

        /// Takes an answer apart.
        var parser: AnswerText {
            AnswerText(style: style, isThinking: isThinking, splitsReasoning: splitsReasoning)
        }
    }

    /// Writes the conversation for the model.
    ///
    /// An answer at the end is one to go on with.
    /// - Parameter field: names the messages in errors.
    func render(_ engine: Engine, field: String = "messages") throws(APIError) -> Rendered {
        let text = try text(engine, field: field)
        let tokens = engine.template.tokens(of: text, engine.tokenizer)
        return Rendered(
            prompt: try PromptFields.checked(tokens, field, engine.target), text: text,
            isThinking: AnswerParser.isThinking(after: text),
            style: parsesCalls ? engine.callStyle : .none, splitsReasoning: splitsReasoning)
    }

    /// The text of the prompt.
    func text(_ engine: Engine, field: String = "messages") throws(APIError) -> String {
        var messages = messages
        var begun = ""
        if settings.addsGenerationPrompt, let last = messages.last, last.role == .assistant,
            last.toolCalls.isEmpty
        {
            messages.removeLast()
            begun = last.content
            guard messages.last?.role != .assistant else {
                throw .field(
                    field, "ends with several answers; expected at most one, which the model goes on with")
            }
        }
        var settings = settings
        // As in llama-server: a template that knows both ways lets the model think unless somebody says otherwise.
        if settings.values["enable_thinking"] == nil { settings.values["enable_thinking"] = .bool(true) }
        do {
            let template = parsesCalls ? engine.toolTemplate : engine.template
            return try template.prompt(messages, settings) + begun
        } catch {
            throw APIError(error, parameter: field)
        }
    }
}

/// Takes an answer apart while it is written.
struct AnswerText {
    private var parser: AnswerParser?

    init(style: CallStyle, isThinking: Bool, splitsReasoning: Bool) {
        if splitsReasoning || style != .none {
            parser = AnswerParser(style: style, isThinking: isThinking && splitsReasoning)
        }
    }

    /// Takes more of the answer.
    mutating func read(_ text: String) -> [AnswerDelta] {
        guard !text.isEmpty else { return [] }
        return parser?.read(text) ?? [.content(text)]
    }

    /// Takes the end of the answer.
    mutating func finish() -> [AnswerDelta] { parser?.finish() ?? [] }
}

/// A whole answer, taken apart.
struct Answered {
    /// A call of a tool.
    struct Call {
        var id: String
        var name: String
        var arguments = ""
    }

    var content = ""
    var reasoning = ""
    var calls: [Call] = []

    init(_ deltas: [AnswerDelta]) {
        for delta in deltas {
            switch delta {
            case .content(let text): content += text
            case .reasoning(let text): reasoning += text
            case .call(_, let name, let id):
                calls.append(Call(id: id ?? Identifier.make("call_"), name: name))
            case .arguments(_, let text):
                if !calls.isEmpty { calls[calls.count - 1].arguments += text }
            }
        }
    }

    /// Takes a whole text apart.
    init(_ text: String, _ parser: AnswerText) {
        var parser = parser
        let deltas = parser.read(text)
        self.init(deltas + parser.finish())
    }
}
