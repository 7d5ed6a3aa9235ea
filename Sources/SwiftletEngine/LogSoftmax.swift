public import SwiftletText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// Log probabilities of one row of logits, in double precision: `log p[k] = logits[k] − log Σ exp(logits)`.
///
/// A token whose logit is −∞ has −∞. If a logit is NaN or +∞, or all are −∞, every result is NaN.
public struct LogSoftmax {
    /// The row, valid as long as the one it was made from.
    public let logits: UnsafeBufferPointer<Float>
    /// `log Σ exp(logits)`.
    public let logSum: Double

    /// - Parameter logits: `[vocabulary]`, at least one.
    /// - Complexity: one exponential per token.
    public init(_ logits: UnsafeBufferPointer<Float>) {
        self.logits = logits
        var best = -Float.infinity
        for logit in logits where logit > best { best = logit }
        var sum = 0.0
        for logit in logits { sum += exp(Double(logit) - Double(best)) }
        logSum = Double(best) + log(sum)
    }

    /// The natural logarithm of a token's probability.
    public func logProbability(of token: TokenID) -> Double { Double(logits[Int(token)]) - logSum }

    /// The token with the largest logit; of equal ones the first.
    public var likeliest: TokenID {
        var best = 0
        for index in logits.indices where logits[index] > logits[best] { best = index }
        return TokenID(best)
    }
}
