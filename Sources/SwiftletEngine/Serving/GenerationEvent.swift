public import SwiftletTensor
public import SwiftletText

/// What becomes of a ``GenerationRequest``, in order. The last event is ``failed(_:)`` or the last choice's
/// ``finished(_:)``.
public enum GenerationEvent: Sendable {
    /// It waits behind so many others.
    case queued(ahead: Int)
    /// The prompt is being read.
    case prompt(PromptProgress)
    /// Log-probabilities of the prompt's next tokens, in order; the first token of a prompt has none.
    case promptLogprobs([PromptLogprob])
    /// A token was drawn.
    case token(GeneratedToken)
    /// A choice has ended.
    case finished(FinishedChoice)
    /// The request cannot go on; choices that have finished stay as they are.
    case failed(SwiftletError)
}

/// How much of a prompt is done.
public struct PromptProgress: Hashable, Sendable {
    /// Tokens of the prompt.
    public var total: Int
    /// Those that are in the cache.
    public var done: Int
    /// Those of them that came from another prompt's cache, in memory or on disk.
    public var reused: Int
    /// The slots that do it, one per answer.
    public var slots: [Int] = []
}

/// A token with its log-probability.
public struct TokenLogprob: Hashable, Sendable {
    /// The token.
    public var id: TokenID
    /// The natural logarithm of its probability, before biases, penalties and filters unless asked for those behind them.
    public var logprob: Double
}

/// A token of a prompt with what the model expected in its place.
public struct PromptLogprob: Hashable, Sendable {
    /// Its place in the prompt.
    public var position: Int
    /// The token.
    public var id: TokenID
    /// The natural logarithm of its probability; `nil` for the first.
    public var logprob: Double?
    /// The likeliest tokens in its place, the likeliest first.
    public var top: [TokenLogprob]
}

/// A token that was drawn.
public struct GeneratedToken: Hashable, Sendable {
    /// Which answer it belongs to.
    public var choice: Int
    /// The token.
    public var id: TokenID
    /// Its bytes, which may be a part of a character.
    public var bytes: [UInt8]
    /// Text that is certain now: whole characters that cannot become a part of a stop string. Often that of this token,
    /// sometimes empty, sometimes that of several.
    public var text: String
    /// The natural logarithm of its probability, if asked for.
    public var logprob: Double?
    /// The likeliest tokens in its place, the likeliest first.
    public var top: [TokenLogprob]
}

/// The end of an answer.
public struct FinishedChoice: Sendable {
    /// Which answer.
    public var choice: Int
    /// Why it ended.
    public var reason: FinishReason
    /// Text that was held back until now.
    public var text: String
    /// Tokens and times.
    public var statistics: GenerationStatistics
    /// What the cache held.
    public var cache: CacheReport
    /// Bytes that the full cache of these tokens would have held in the scheduler's format.
    public var fullCacheBytes: Int
    /// What is in the cache, if ``GenerationRequest/tracesCache`` asked for it.
    public var view: CacheTrace.Moment?
}
