#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Perplexity: the exponential of the mean loss per token, in nats.
public struct Perplexity: Sendable, Equatable {
    /// Loss per token: the negative logarithm of its probability.
    public private(set) var loss = Mean()

    /// Of no tokens.
    public init() {}

    /// Adds a token with the logarithm of its probability.
    public mutating func add(logProbability: Double) { loss.add(-logProbability) }

    /// Adds the tokens of another one.
    public mutating func merge(_ other: Perplexity) { loss.merge(other.loss) }

    /// The perplexity; NaN without tokens.
    public var value: Double { loss.count > 0 ? exp(loss.value) : .nan }

    /// Its standard error, to first order: the mean loss's times the perplexity.
    public var standardError: Double { value * loss.standardError }
}

/// The mean over windows as the guide to perplexity in the documentation of transformers takes it: a window's mean loss
/// counts as often as it has new tokens, less one. The first window has no loss for its first token; the others
/// have, so that they count a little less than their tokens do.
public struct GuideMean: Sendable, Equatable {
    private var sum = 0.0
    private var weight = 0

    /// Of no windows.
    public init() {}

    /// Adds a window.
    ///
    /// - Parameters:
    ///   - meanLoss: over the window's scored tokens.
    ///   - newTokens: tokens of the window that no window before it has.
    public mutating func add(meanLoss: Double, newTokens: Int) {
        guard newTokens > 1 else { return }
        sum += meanLoss * Double(newTokens - 1)
        weight += newTokens - 1
    }

    /// The perplexity; NaN without windows.
    public var perplexity: Double { weight > 0 ? exp(sum / Double(weight)) : .nan }
}
