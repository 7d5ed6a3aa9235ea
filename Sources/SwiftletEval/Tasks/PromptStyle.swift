public import SwiftletEngine
import SwiftletText

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
        model.name == "built-in" ? .facts : model.tokenizer?.chatTemplate == nil ? .plain : .chat
    }

    private static let instruction =
        "Read this text. A question about it follows; answer it in as few words as you can."

    /// What is said, up to the end of the context and from there on.
    func parts(context: String, question: String) -> (head: String, tail: String) {
        switch self {
        case .plain: (context, (context.isEmpty ? "" : "\n\n") + "Question: \(question)\nAnswer:")
        case .facts: (context, (context.isEmpty ? "" : " ") + question)
        case .chat where context.isEmpty: ("", question)
        case .chat: ("\(Self.instruction)\n\n\(context)", "\n\n\(question)")
        }
    }
}
