public import SwiftletCache
import SwiftletTensor

/// What the cache of a session holds and reads, counted and not estimated.
public struct CacheReport: Hashable, Sendable {
    /// The policy, as it was written; `full` for the full cache.
    public let policy: String
    /// The bound that was asked for; `nil` if nothing is ever dropped.
    public let budget: KVBudget?
    /// Tokens seen.
    public let tokenCount: Int
    /// Rows per layer and KV head now, on average over the layers that store rows.
    public let meanRows: Double
    /// Bytes held now.
    public let use: KVUse
    /// The most bytes ever held at once.
    public let peakBytes: Int
    /// What the last prompt left; `nil` before the first.
    public let afterPrompt: AfterPrompt?
    /// What the last generated token read; `nil` before the first.
    public let read: BytesRead?

    /// The cache when a prompt was done.
    public struct AfterPrompt: Hashable, Sendable {
        /// Tokens seen.
        public let tokenCount: Int
        /// Rows per layer and KV head, on average.
        public let meanRows: Double
        /// Bytes held.
        public let bytes: Int
        /// The most bytes held at once up to then.
        public let peakBytes: Int
        /// Bytes of activations that the prompt needed at once.
        public let activationBytes: Int

        /// Rows as a share of the tokens.
        public var share: Double { tokenCount > 0 ? meanRows / Double(tokenCount) : 0 }
    }

    /// Bytes that a token has to read.
    public struct BytesRead: Hashable, Sendable {
        /// Of weights.
        public let weights: Int
        /// Of the cache and of what the policy looks through for every token.
        public let cache: Int

        /// Both.
        public var all: Int { weights + cache }
    }

    /// What became of the budget after the prompt, in the unit that was asked for.
    public var budgetKept: KVBudget? {
        guard let budget, let afterPrompt else { return nil }
        switch budget {
        case .share: return .share(afterPrompt.share)
        case .rows: return .rows(Int(afterPrompt.meanRows.rounded()))
        case .bytes: return .bytes(afterPrompt.bytes)
        }
    }
}

extension Session {
    /// What the cache holds and reads now.
    public var cacheReport: CacheReport {
        let policy = sequence.policy
        return CacheReport(
            policy: specification, budget: policy.statedBudget,
            tokenCount: tokens.count, meanRows: sequence.meanRowCount, use: sequence.use,
            peakBytes: peakCacheBytes, afterPrompt: afterPrompt, read: bytesRead)
    }

    private var bytesRead: CacheReport.BytesRead? {
        guard sequence.reads.contains(where: { $0.rows > 0 }) else { return nil }
        var cost = BenchmarkCost(model.network, sequence.format, owners: sequence.layout.owners)
        cost.addGenerated(reads: sequence.reads)
        let cache = Int(cost.cacheBytesRead)
        return CacheReport.BytesRead(weights: Int(cost.bytesRead) - cache, cache: cache)
    }
}
