public import SwiftletEngine
public import SwiftletTensor
public import SwiftletText

/// Scores a text that is known beforehand: for every token after a prompt, the logits that predicted it.
///
/// The prompt is read as any prompt is, and the session's policy compresses the cache after it. The tokens that
/// follow go through the compressed cache as if they had been generated; many at a time where the policy and the
/// number format give the same bits then, else one by one. No more than a batch of rows of logits exists at once.
///
/// ```swift
/// var scorer = try TextScorer(Session(model), prompt: Array(ids[..<256]))
/// try scorer?.score(Array(ids[256...])) { target, logits in
///     loss.add(-LogSoftmax(logits).logProbability(of: target))
/// }
/// ```
public struct TextScorer {
    /// Receives a token of the text and the logits that predicted it, `[vocabulary]`, valid during the call.
    public typealias Sink = (_ target: TokenID, _ logits: UnsafeBufferPointer<Float>) -> Void

    /// The session that reads the text.
    public let session: Session
    /// What the next token is predicted by.
    private var source: Source

    private enum Source {
        /// Logits that are there already: those after the prompt.
        case logits([Float])
        /// A token that was scored and has not been through the model.
        case token(TokenID)
    }

    /// Reads the prompt.
    ///
    /// - Parameters:
    ///   - session: empty; its options say how it computes and what the cache keeps.
    ///   - prompt: at least one token.
    ///   - progress: called with the tokens done; return false to stop.
    /// - Returns: `nil` if it was stopped.
    /// - Throws: what ``Session/feed(_:progress:)`` throws.
    public init?(
        _ session: Session, prompt: [TokenID], progress: (Int) -> Bool = { _ in true }
    ) throws(SwiftletError) {
        guard let logits = try session.feed(prompt, progress: progress) else { return nil }
        self.session = session
        source = .logits(logits)
    }

    /// Hands out every token with the logits that predicted it, in order. The next call goes on behind them.
    ///
    /// - Parameters:
    ///   - tokens: what follows in the text; how it is cut into calls does not matter. The last one is scored, but
    ///     goes through the model only when the text goes on.
    ///   - progress: called with the tokens scored; return false to stop. The scorer is of no use then.
    /// - Returns: the tokens scored: fewer than there are only if it was stopped.
    /// - Throws: `.invalidArgument` for a token that the model does not know, `.limit` if the text does not fit the
    ///   context or memory.
    @discardableResult
    public mutating func score(
        _ tokens: [TokenID], progress: (Int) -> Bool = { _ in true }, into sink: Sink
    ) throws(SwiftletError) -> Int {
        guard let last = tokens.last else { return 0 }
        try session.model.check(tokens)
        var scored = 0
        var inputs = tokens[..<(tokens.count - 1)]
        switch source {
        case .logits(let logits):
            logits.withUnsafeBufferPointer { sink(tokens[0], $0) }
            scored = 1
        case .token(let token):
            inputs = [token] + inputs
        }
        source = .token(last)
        let first = scored
        try session.follow(Array(inputs), progress: { progress(first + $0) }) { logits in
            sink(tokens[scored], logits)
            scored += 1
        }
        return scored
    }
}
