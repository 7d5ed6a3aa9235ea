public import SwiftletEngine
public import SwiftletText

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// How far predictions moved, token by token: those of a compressed cache against those of the full one.
public struct Divergence: Sendable {
    /// A mean with its quantiles; every value is kept, a double per token.
    public struct Measure: Sendable {
        /// The mean.
        public private(set) var mean = Mean()
        /// All values, in order of arrival.
        public private(set) var values: [Double] = []

        /// Adds a value.
        mutating func add(_ value: Double) {
            mean.add(value)
            values.append(value)
        }

        /// Adds the values of another one.
        mutating func merge(_ other: Measure) {
            mean.merge(other.mean)
            values += other.values
        }

        /// Quantiles of the values; see ``Quantile/of(sorted:_:)``.
        public func quantiles(_ shares: [Double]) -> [Double] {
            let sorted = values.sorted()
            return shares.map { Quantile.of(sorted: sorted, $0) }
        }
    }

    /// KL(full ‖ tested) in nats: what is lost by believing the tested predictions.
    public private(set) var forward = Measure()
    /// KL(tested ‖ full) in nats.
    public private(set) var reverse = Measure()
    /// `log P(tested) − log P(full)` of the text's own token, in nats.
    public private(set) var change = Measure()
    /// Whether both would pick the same token greedily: 1 or 0.
    public private(set) var agreement = Mean()
    /// Perplexity of the full cache.
    public private(set) var full = Perplexity()
    /// Perplexity of the tested one.
    public private(set) var tested = Perplexity()

    /// Of no tokens.
    public init() {}

    /// Adds a token with the logits that both caches gave, `[vocabulary]`.
    public mutating func add(
        _ target: TokenID, full fullLogits: UnsafeBufferPointer<Float>,
        tested testedLogits: UnsafeBufferPointer<Float>
    ) {
        let (p, q) = (LogSoftmax(fullLogits), LogSoftmax(testedLogits))
        let divergence = Self.divergence(p, q)
        forward.add(divergence.forward)
        reverse.add(divergence.reverse)
        let (before, after) = (p.logProbability(of: target), q.logProbability(of: target))
        // Of two impossible tokens neither became less likely.
        change.add(before == after ? 0 : after - before)
        agreement.add(p.likeliest == q.likeliest ? 1 : 0)
        full.add(logProbability: before)
        tested.add(logProbability: after)
    }

    /// Adds the tokens of another one.
    public mutating func merge(_ other: Divergence) {
        forward.merge(other.forward)
        reverse.merge(other.reverse)
        change.merge(other.change)
        agreement.merge(other.agreement)
        full.merge(other.full)
        tested.merge(other.tested)
    }

    /// `Σ p (log p − log q)` and `Σ q (log q − log p)` in nats; exactly 0 for equal rows.
    ///
    /// What one side excludes (a logit of −∞) adds nothing to its own sum and makes the other one infinite.
    ///
    /// Source: Kullback and Leibler, 1951, Annals of Mathematical Statistics 22(1), 79–86.
    public static func divergence(_ p: LogSoftmax, _ q: LogSoftmax) -> (forward: Double, reverse: Double) {
        precondition(p.logits.count == q.logits.count, "\(p.logits.count) tokens beside \(q.logits.count)")
        var (forward, reverse) = (0.0, 0.0)
        for index in p.logits.indices {
            let (logP, logQ) = (Double(p.logits[index]) - p.logSum, Double(q.logits[index]) - q.logSum)
            let difference = logP - logQ
            if logP > -.infinity { forward += exp(logP) * difference }
            if logQ > -.infinity { reverse -= exp(logQ) * difference }
            if logP.isNaN || logQ.isNaN { return (.nan, .nan) }
        }
        // The sums cannot be negative but for rounding.
        return (forward < 0 ? 0 : forward, reverse < 0 ? 0 : reverse)
    }
}
