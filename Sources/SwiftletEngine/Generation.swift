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
    public private(set) var finishReason: FinishReason?
    /// Tokens generated so far, without the stop token.
    public private(set) var tokens: [TokenID] = []
    /// Times and bytes so far.
    public private(set) var statistics = GenerationStatistics()
    /// The seed of the draws.
    public var seed: UInt64 { sampler.seed }

    private let session: Session
    private let options: GenerationOptions
    private let sampler: Sampler
    private var decoder: StreamingDecoder
    private var stops: StopMatcher
    private var first: TokenID?
    private var isFlushed = false
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
        try options.sampling.validate()
        if let maxTokens = options.maxTokens, maxTokens < 0 {
            throw SwiftletError(
                .invalidArgument, "the number of tokens (-n) is \(maxTokens); expected 0 or more")
        }
        guard let tokenizer = session.model.tokenizer else {
            throw SwiftletError(.missing, "\(session.model.name) has no tokenizer, so it cannot write text")
        }
        self.session = session
        self.options = options
        let context = session.tokens + prompt
        sampler = Sampler(options.sampling, history: context)
        decoder = StreamingDecoder(
            tokenizer, skipSpecial: true, continuing: context.contains { !tokenizer.isSpecial($0) })
        stops = StopMatcher(options.stopStrings)
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
            first = logits.withUnsafeBufferPointer { [sampler] in sampler.sample($0) }
        } else {
            finishReason = .cancelled
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
        guard finishReason == nil else { return flush() }
        defer { updateStatistics() }
        if tokens.count == options.maxTokens { return finish(.length) }
        guard let token = try draw() else { return flush() }
        if !options.ignoresStopTokens, options.stopTokens.contains(token) { return finish(.stopToken(token)) }
        if session.tokens.count >= session.contextLength { return finish(.context) }
        tokens.append(token)
        let output = stops.append(decoder.append(token))
        if let stop = output.stop {
            finishReason = .stopString(stop)
            isFlushed = true
        }
        return Piece(text: output.text, token: token)
    }

    /// Ends the text here; what was written stays, and what was held back follows.
    public mutating func cancel() {
        if finishReason == nil { finishReason = .cancelled }
    }

    /// The token that follows the last one.
    private func draw() throws(SwiftletError) -> TokenID? {
        guard let last = tokens.last else { return first }
        sampler.accept(last)
        return try session.step(last) { [sampler] in sampler.sample($0) }
    }

    private mutating func finish(_ reason: FinishReason) -> Piece? {
        finishReason = reason
        return flush()
    }

    /// Text that was held back, once.
    private mutating func flush() -> Piece? {
        guard !isFlushed else { return nil }
        isFlushed = true
        let output = stops.append(decoder.finish())
        if let stop = output.stop { finishReason = .stopString(stop) }
        let text = output.text + stops.finish()
        return text.isEmpty ? nil : Piece(text: text, token: nil)
    }

    private mutating func updateStatistics() {
        statistics.generatedTokens = tokens.count
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
