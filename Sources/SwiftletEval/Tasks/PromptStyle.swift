public import SwiftletEngine
public import SwiftletText

/// How a case is put to a model.
public enum PromptStyle: String, CaseIterable, Sendable {
    /// An instruction, the context and the question as one turn of a conversation.
    case chat
    /// Context, `Question:` and `Answer:`, for models that continue texts.
    case plain
    /// Context and question as one turn without an instruction, as the built-in model was trained.
    case facts

    /// What suits a model: ``facts`` for the built-in one, ``chat`` for models with a template, else ``plain``.
    public static func automatic(for model: Model) -> PromptStyle {
        model.name == "built-in" ? .facts : model.chatFormat == .plain ? .plain : .chat
    }

    /// Whether an answer ends with its line.
    var answersInOneLine: Bool { self == .plain }

    private static let instruction =
        "Read this text. A question about it follows; answer it in as few words as you can."

    /// The text of a prompt, up to the end of the context and from there on.
    func text(context: String, question: String, format: ChatFormat) -> (head: String, tail: String) {
        switch self {
        case .plain:
            let gap = context.isEmpty ? "" : "\n\n"
            return (context, "\(gap)Question: \(question)\nAnswer:")
        case .facts:
            return Self.turn(context, (context.isEmpty ? "" : " ") + question, format)
        case .chat where context.isEmpty:
            return Self.turn("", question, format)
        case .chat:
            return Self.turn("\(Self.instruction)\n\n\(context)", "\n\n\(question)", format)
        }
    }

    /// A turn, cut behind the first part of what is said.
    private static func turn(_ first: String, _ rest: String, _ format: ChatFormat) -> (
        head: String, tail: String
    ) {
        let text = Array(format.prompt([ChatMessage(.user, first + rest)]).utf8)
        let said = Array((first + rest).utf8)
        let start = text.firstRange(of: said)?.lowerBound ?? 0
        let cut = start + first.utf8.count
        return (String(decoding: text[..<cut], as: UTF8.self), String(decoding: text[cut...], as: UTF8.self))
    }
}

/// A case as the tokens that are fed to a model.
public struct TaskPrompt: Hashable, Sendable {
    /// Everything: start tokens, context, question, and what opens the answer.
    public let tokens: [TokenID]
    /// How many of them come before the question.
    public let contextCount: Int
    /// The most tokens of an answer.
    public let maxTokens: Int

    /// The tokens before the question.
    public var context: [TokenID] { Array(tokens[..<contextCount]) }
    /// The others.
    public var question: [TokenID] { Array(tokens[contextCount...]) }

    /// Writes a case.
    ///
    /// A token that joins the end of the context and the beginning of the question counts as question.
    public init(_ taskCase: TaskCase, style: PromptStyle, format: ChatFormat, tokenizer: Tokenizer) {
        let (head, tail) = style.text(context: taskCase.context, question: taskCase.question, format: format)
        let tokens = tokenizer.encode(head + tail)
        let alone = tokenizer.encode(head)
        self.tokens = tokens
        contextCount = zip(alone, tokens.dropLast()).prefix { $0 == $1 }.count
        maxTokens = taskCase.maxTokens
    }

    /// Tokens of the prompt and of the longest answer.
    public var length: Int { tokens.count + maxTokens }
}
