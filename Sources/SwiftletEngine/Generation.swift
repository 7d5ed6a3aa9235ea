public import SwiftletTensor
public import SwiftletText

/// A text being written: call ``next()`` until it returns `nil`.
public struct Generation {
    /// A piece of text with the token that completed it.
    public struct Piece: Hashable, Sendable {
        /// Whole characters; empty while a character is incomplete or may begin a stop string.
        public var text: String
        /// The token drawn, `nil` for text that was held back until the end.
        public var token: TokenID?
    }

    /// Why it ended; `nil` while it goes on.
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
    private var pending: TokenID?  // drawn, not yet processed
    private var isFlushed = false
    private let clock = ContinuousClock()
    private let start: ContinuousClock.Instant

    /// Processes the prompt and draws the first token.
    ///
    /// - Parameters:
    ///   - prompt: tokens that continue the session's text.
    ///   - progress: called with the prompt tokens done; return false to cancel.
    /// - Throws: `.limit` if the prompt does not fit, `.missing` for a model without tokenizer.
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
        sampler = Sampler(options.sampling, history: session.tokens + prompt)
        decoder = StreamingDecoder(tokenizer, skipSpecial: true)
        stops = StopMatcher(options.stopStrings)
        let begin = clock.now
        let logits = try session.feed(prompt, progress: progress)
        start = clock.now
        statistics.promptTokens = logits == nil ? 0 : prompt.count
        statistics.promptSeconds = (start - begin).seconds
        guard let logits else {
            finishReason = .cancelled
            return
        }
        pending = logits.withUnsafeBufferPointer { [sampler] in sampler.sample($0) }
    }

    /// The next piece, or `nil` when the text has ended; then ``finishReason`` says why.
    public mutating func next() throws(SwiftletError) -> Piece? {
        guard finishReason == nil, let token = pending else { return flush() }
        if tokens.count == options.maxTokens { return finish(.length) }
        if !options.ignoresStopTokens, options.stopTokens.contains(token) { return finish(.stopToken(token)) }
        if session.tokens.count >= session.contextLength { return finish(.context) }
        tokens.append(token)
        let output = stops.append(decoder.append(token))
        if let stop = output.stop {
            isFlushed = true
            finish(.stopString(stop))
        } else if tokens.count != options.maxTokens {
            try advance(token)
        }
        updateStatistics()
        return Piece(text: output.text, token: token)
    }

    /// Ends the text here; what was written stays.
    public mutating func cancel() {
        if finishReason == nil { finish(.cancelled) }
    }

    private mutating func advance(_ token: TokenID) throws(SwiftletError) {
        sampler.accept(token)
        pending = try session.step(token) { [sampler] in sampler.sample($0) }
    }

    @discardableResult
    private mutating func finish(_ reason: FinishReason) -> Piece? {
        finishReason = reason
        return flush()
    }

    /// Text that was held back, once.
    private mutating func flush() -> Piece? {
        guard !isFlushed else { return nil }
        isFlushed = true
        updateStatistics()
        let output = stops.append(decoder.finish())
        let text = output.text + (output.stop == nil ? stops.finish() : "")
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
