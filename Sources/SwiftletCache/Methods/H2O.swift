import SwiftletTensor

/// H2O: keeps heavy hitters, the rows that received most attention so far, and the newest rows.
///
/// Attention is summed over all queries and, per KV head, over its query heads. A dropped row loses its sum.
/// Sums favour early rows, which more queries could see; ``ObservedAttentionSelector`` takes means.
///
/// Source: Zhang et al., 2023, arXiv:2306.14048, algorithm 1, with the rule that really drops rows.
public struct HeavyHitterSelector: KVSelector {
    /// Share of the budget that the newest rows take.
    public var recentShare: Double
    /// First tokens that stay, inside the heavy hitters' share; 0 in the paper.
    public var sinks: Int

    /// Gives the newest rows half of the budget, as the paper's main setting does.
    public init(recentShare: Double = 0.5, sinks: Int = 0) {
        self.recentShare = recentShare
        self.sinks = sinks
    }

    /// After every token, as in the paper.
    public var decodeRule: KVDecodeRule { .everyStep }

    /// A sum per row.
    public var ranking: KVRowRanking { .recorded }

    /// Sums over all queries.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence(columnSums: true) }

    /// The same, of all query heads together.
    public func decodeNeeds(promptLength: Int) -> KVEvidence {
        KVEvidence(columnSums: true, joinsHeads: true)
    }

    /// The newest rows' share, and the sinks.
    public func forced(budget: Int, phase: KVPhase) -> KVForcedRows {
        let newest = Self.recentRows(budget: budget, share: recentShare)
        return KVForcedRows(oldest: min(sinks, budget - newest), newest: newest)
    }

    /// Attention received, summed over queries and the query heads of a KV head.
    public func scores(of layer: KVLayerView) -> [[Float]] { layer.columnSums() }

    /// Newest rows under a budget: the share, rounded down.
    package static func recentRows(budget: Int, share: Double) -> Int {
        // A share such as 3/9 must give 3 rows of 9 although the product may round below it.
        min(Int((Double(budget) * share + 1e-9).rounded(.down)), budget)
    }
}

/// Observed attention: keeps the rows that received most attention per query that could see them.
///
/// Source: `ObservedAttentionPress` of kvpress; a mean where H2O takes a sum, and no forced window.
public struct ObservedAttentionSelector: KVSelector {
    /// Observed attention has no settings.
    public init() {}

    /// Published for prompts: generated tokens add to the rows.
    public var decodeRule: KVDecodeRule { .append }

    /// A row's age is its position's.
    public var allowsRenumbering: Bool { false }

    /// A mean per row.
    public var ranking: KVRowRanking { .recorded }

    /// Sums over all queries.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence(columnSums: true) }

    /// The same, of all query heads together.
    public func decodeNeeds(promptLength: Int) -> KVEvidence {
        KVEvidence(columnSums: true, joinsHeads: true)
    }

    /// Mean attention over the queries at and behind a row and over the query heads of a KV head.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        let length = layer.length
        return layer.columnSums().enumerated().map { head, sums in
            Self.means(
                sums, positions: layer.positions(ofHead: head), length: length, group: layer.shape.group)
        }
    }

    /// Sums divided by the number of queries that contributed: the rows' own and all later ones.
    package static func means(_ sums: [Float], positions: [Int32], length: Int, group: Int) -> [Float] {
        zip(sums, positions).map { $0 / Float(max(length - Int($1), 1) * group) }
    }
}

extension KVLayerView {
    /// Tokens up to the newest row.
    var length: Int {
        (0..<shape.kvHeadCount).reduce(0) { max($0, Int(positions(ofHead: $1).max() ?? -1) + 1) }
    }
}
