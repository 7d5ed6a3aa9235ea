/// What became of one request.
public struct LoadOutcome: Hashable, Sendable {
    /// Seconds after the start of the run at which it was sent.
    public var start: Double
    /// Seconds from then until every piece of the answer came.
    public var pieces: [Double] = []
    /// Seconds until the answer was complete.
    public var duration = 0.0
    /// Tokens of the prompt, as the server counts them.
    public var promptTokens = 0
    /// Tokens of the answer, as the server counts them.
    public var answerTokens = 0
    /// Why there is no complete answer.
    public var failure: String?

    /// Seconds until the first piece; `nil` if none came.
    public var firstToken: Double? { pieces.first }

    /// Seconds between one piece and the next.
    public var gaps: [Double] { zip(pieces.dropFirst(), pieces).map { $0 - $1 } }

    /// Seconds per token after the first; `nil` below two tokens.
    public var perToken: Double? {
        guard let first = pieces.first, let last = pieces.last, answerTokens > 1 else { return nil }
        return (last - first) / Double(answerTokens - 1)
    }
}
