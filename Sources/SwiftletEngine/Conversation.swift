import SwiftletTemplate
public import SwiftletTensor
import SwiftletText

/// A conversation with a model: it remembers what was said and feeds only what is new.
public struct Conversation {
    /// What was said so far.
    public private(set) var messages: [ChatMessage]
    /// Tools, documents and more values for the template.
    public var settings = ChatSettings()
    private let session: Session
    private let template: ChatTemplate
    private let system: String?

    /// A piece of an answer.
    public enum Part: Hashable, Sendable {
        /// What the model says.
        case text(String)
        /// What it thinks before, without the marks around it.
        case thought(String)
    }

    /// Starts a conversation in an empty session, in one of the common forms.
    public init(session: Session, format: ChatFormat, system: String? = nil) {
        self.init(session: session, template: ChatTemplate(format), system: system)
    }

    /// Starts a conversation in an empty session.
    public init(session: Session, template: ChatTemplate, system: String? = nil) {
        self.session = session
        self.template = template
        self.system = system
        messages = system.map { [ChatMessage(.system, $0)] } ?? []
    }

    /// Forgets everything but the instructions.
    public mutating func reset() { messages = system.map { [ChatMessage(.system, $0)] } ?? [] }

    /// Answers a message; on an error, or if nothing was written before it was cancelled, the conversation
    /// stays as it was.
    ///
    /// - Parameters:
    ///   - options: marks that end a turn in this format end the answer, too.
    ///   - isCancelled: asked after every token; the answer so far is kept.
    ///   - write: receives the answer as it is written.
    /// - Throws: `.limit` if the conversation does not fit the context or memory any more; `.invalidArgument` if the
    ///   template fails or refuses the conversation.
    @discardableResult
    public mutating func answer(
        _ message: String, _ options: GenerationOptions, isCancelled: () -> Bool = { false },
        write: (String) throws(SwiftletError) -> Void
    ) throws(SwiftletError) -> FinishReason? {
        try answer(message, options, splitsThoughts: false, isCancelled: isCancelled) {
            part throws(SwiftletError) in
            if case .text(let text) = part { try write(text) }
        }
    }

    /// Answers a message; see ``answer(_:_:isCancelled:write:)``.
    ///
    /// - Parameters:
    ///   - splitsThoughts: whether what is between `<think>` and `</think>` at the beginning is told apart. The template
    ///     then gets it as the thoughts of that turn, which most leave out of the next ones.
    ///   - write: receives the pieces as they are written.
    @discardableResult
    public mutating func answer(
        _ message: String, _ options: GenerationOptions, splitsThoughts: Bool,
        isCancelled: () -> Bool = { false }, write: (Part) throws(SwiftletError) -> Void
    ) throws(SwiftletError) -> FinishReason? {
        guard let tokenizer = session.model.tokenizer else {
            throw SwiftletError(.missing, "\(session.model.name) has no tokenizer, so it cannot talk")
        }
        let extended = messages + [ChatMessage(.user, message)]
        let prompt = try template.prompt(extended, settings)
        let ids = template.tokens(of: prompt, tokenizer)
        let known = zip(ids.dropLast(), session.tokens).prefix { $0 == $1 }.count
        let kept = session.canTruncate(to: known) ? known : 0
        try session.truncate(to: kept)
        var options = options
        options.stopTokens.formUnion(template.stopTokens(tokenizer))
        options.stopStrings += template.stopStrings.filter { !options.stopStrings.contains($0) }
        var generation = try Generation(
            session, prompt: Array(ids[kept...]), options: options, progress: { _ in !isCancelled() })
        var answer = ChatMessage(.assistant, "")
        var parser = splitsThoughts ? AnswerParser(style: .none, prompt: prompt) : nil
        while let piece = try generation.next() {
            try answer.add(parser?.read(piece.text) ?? [.content(piece.text)], write)
            if isCancelled() { generation.cancel() }
        }
        try answer.add(parser?.finish() ?? [], write)
        if generation.finishReason == .cancelled, generation.tokens.isEmpty { return .cancelled }
        messages = extended + [answer]
        return generation.finishReason
    }
}

extension ChatMessage {
    /// Adds pieces of an answer, and shows them.
    fileprivate mutating func add(
        _ deltas: [AnswerDelta], _ write: (Conversation.Part) throws(SwiftletError) -> Void
    ) throws(SwiftletError) {
        for delta in deltas {
            switch delta {
            case .content(let text):
                content += text
                try write(.text(text))
            case .reasoning(let text):
                reasoning = (reasoning ?? "") + text
                try write(.thought(text))
            case .call, .arguments: break  // not looked for
            }
        }
    }
}
