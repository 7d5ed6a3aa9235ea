public import SwiftletTensor
public import SwiftletText

/// A text being written: call ``next()`` until it returns `nil`.
///
/// A token is fed to the session when the next one is asked for. So when the text ends, the session holds all
/// of ``tokens`` but, except after a stop token or at the end of the context, the last.
///
/// ```swift
/// var generation = try Generation(session, prompt: ids, options: GenerationOptions(defaultsOf: model))
/// while let piece = try generation.next() { print(piece.text, terminator: "") }
/// ```
public struct Generation {
    /// A piece of text with the token that completed it.
    public struct Piece: Hashable, Sendable {
        /// Whole characters; empty while a character is incomplete or may begin a stop string.
        public var text: String
        /// The token drawn, `nil` for text that was held back until the end.
        public var token: TokenID?
    }

    /// Why it ended; `nil` while it goes on. Text that was held back may still follow.
    public var finishReason: FinishReason? { state.finishReason }
    /// Tokens generated so far, without the stop token.
    public var tokens: [TokenID] { state.tokens }
    /// Times and bytes so far.
    public private(set) var statistics = GenerationStatistics()
    /// The seed of the draws.
    public var seed: UInt64 { state.seed }

    private let session: Session
    private var state: GenerationState
    private var first: TokenID?
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    /// Processes the prompt and draws the first token.
    ///
    /// - Parameters:
    ///   - prompt: tokens that continue the session's text.
    ///   - progress: called with the prompt tokens done; return false to cancel. What is done stays.
    /// - Throws: `.limit` if the prompt does not fit, `.missing` for a model without tokenizer,
    ///   `.invalidArgument` for options or tokens out of range; the session stays as it was.
    public init(
        _ session: Session, prompt: [TokenID], options: GenerationOptions,
        progress: (Int) -> Bool = { _ in true }
    ) throws(SwiftletError) {
        try options.validate(for: session.model)
        state = try GenerationState(session.model, options, context: session.tokens + prompt)
        self.session = session
        let (begin, known) = (clock.now, session.tokens.count)
        var goesOn = true
        let logits = try session.feed(prompt) { done in
            goesOn = progress(done)
            return goesOn
        }
        start = clock.now
        statistics.restoredTokens = session.restoredCount
        statistics.promptTokens = max(session.tokens.count - known - session.restoredCount, 0)
        statistics.promptSeconds = (start - begin).seconds
        statistics.cacheBytes = session.cacheBytes
        if goesOn, let logits {
            first = logits.withUnsafeBufferPointer { state.draw($0) }
        } else {
            state.cancel()
        }
    }

    /// Processes a prompt given as text; see ``init(_:prompt:options:progress:)``.
    ///
    /// ```swift
    /// let model = try Model.load("model.gguf")
    /// let session = try Session(model)
    /// var generation = try Generation(session, text: "Once upon a time")
    /// while let piece = try generation.next() { print(piece.text, terminator: "") }
    /// ```
    ///
    /// - Parameter options: `nil` takes the model's own settings.
    public init(
        _ session: Session, text: String, options: GenerationOptions? = nil
    ) throws(SwiftletError) {
        try self.init(
            session, prompt: session.model.tokenizer?.encode(text, addSpecial: session.tokens.isEmpty) ?? [],
            options: options ?? GenerationOptions(defaultsOf: session.model))
    }

    /// The next piece, or `nil` when the text has ended; then ``finishReason`` says why.
    ///
    /// - Throws: `.limit` if memory runs out; what was written stays.
    public mutating func next() throws(SwiftletError) -> Piece? {
        guard state.finishReason == nil else { return state.flush() }
        defer { updateStatistics() }
        if state.isComplete { return state.finish(.length) }
        guard let token = try draw() else { return state.flush() }
        return state.take(token, contextIsFull: session.tokens.count >= session.contextLength)
    }

    /// Ends the text here; what was written stays, and what was held back follows.
    public mutating func cancel() { state.cancel() }

    /// The token that follows the last one; `nil` if there is none.
    private mutating func draw() throws(SwiftletError) -> TokenID? {
        guard let last = state.tokens.last else { return first }
        return try session.step(last) { state.draw($0) } ?? nil
    }

    private mutating func updateStatistics() {
        statistics.generatedTokens = state.tokens.count
        statistics.generationSeconds = (clock.now - start).seconds
        statistics.cacheBytes = session.cacheBytes
    }
}

extension Duration {
    /// The duration as a number of seconds.
    public var seconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}
