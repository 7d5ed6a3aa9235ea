/// SnapKV: keeps the rows that the last queries of the prompt attend to, smoothed over neighbours, and these
/// queries' own rows.
///
/// Works best when the question is inside the window. Every KV head selects by the mean of its query heads; the
/// original repeats keys and values per query head, which multiplies the cache.
///
/// Source: Li et al., 2024, arXiv:2404.14469, §4.2; mean instead of sum over the window, as in kvpress, which
/// gives the same order.
public struct SnapKVSelector: KVSelector {
    /// How neighbouring scores are smoothed.
    public enum Pooling: String, Hashable, Sendable, CaseIterable {
        /// Mean; places beyond the ends count as 0.
        case average = "avg"
        /// Largest.
        case maximum = "max"
    }

    /// Newest queries that are asked, and newest rows that stay.
    public var window: Int
    /// Odd number of neighbours that are pooled, 1 for none.
    public var kernel: Int
    /// How they are pooled.
    public var pooling: Pooling

    /// Takes the settings of kvpress.
    public init(window: Int = 64, kernel: Int = 5, pooling: Pooling = .average) {
        precondition(kernel % 2 == 1 && kernel > 0, "pooling kernel \(kernel) is not odd")
        self.window = window
        self.kernel = kernel
        self.pooling = pooling
    }

    /// Published for prompts: generated tokens add to the rows.
    public var decodeRule: KVDecodeRule { .append }

    /// The newest queries.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence(windowQueries: window) }

    /// The window.
    public func forced(budget: Int, phase: KVPhase) -> KVForcedRows { KVForcedRows(newest: window) }

    /// Pooled attention of the window per row before it; rows of the window itself score 0.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { head in
            let prefix = max(layer.rowCount(ofHead: head) - window, 0)
            let scores = Self.scores(
                importance: layer.windowMeans(ofHead: head), prefix: prefix, kernel: kernel, pooling: pooling)
            return scores + [Float](repeating: 0, count: layer.rowCount(ofHead: head) - prefix)
        }
    }

    /// Scores of the first `prefix` rows of one KV head.
    ///
    /// - Parameter importance: attention per query head of the group and row, `[group][≥ prefix]`.
    package static func scores(
        importance: [[Float]], prefix: Int, kernel: Int, pooling: Pooling
    ) -> [Float] {
        var mean = [Float](repeating: 0, count: prefix)
        for head in importance {
            let pooled = pool(head.prefix(prefix), kernel: kernel, pooling)
            for (row, score) in pooled.enumerated() { mean[row] += score }
        }
        for row in mean.indices { mean[row] /= Float(importance.count) }
        return mean
    }

    /// Pools every `kernel` neighbours; the result is as long as `scores`.
    ///
    /// Pooling stops at the end of `scores`: rows of the window are not neighbours.
    package static func pool(_ scores: ArraySlice<Float>, kernel: Int, _ pooling: Pooling) -> [Float] {
        guard kernel > 1 else { return Array(scores) }
        let reach = kernel / 2
        return scores.indices.map { center in
            let near = scores[
                max(center - reach, scores.startIndex)..<min(center + reach + 1, scores.endIndex)]
            return switch pooling {
            case .average: near.reduce(0, +) / Float(kernel)
            case .maximum: near.reduce(-.infinity, max)
            }
        }
    }
}
