package import SwiftletTensor

/// TOVA: keeps the rows that the newest query attends to, averaged over all heads.
///
/// All KV heads keep the same rows. The newest row is forced after a prompt; while tokens are generated it has to
/// compete, as in the original.
///
/// Source: Oren et al., 2024, arXiv:2401.06104, §3.2.
public struct TOVASelector: KVSelector {
    /// TOVA has no settings.
    public init() {}

    /// After every token: one comparison.
    public var decodeRule: KVDecodeRule { .everyStep }

    /// A mean per row.
    public var ranking: KVRowRanking { .recorded }

    /// The newest query.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence(windowQueries: 1) }

    /// Its attention, too, which is at hand after every token.
    public func decodeNeeds(promptLength: Int) -> KVEvidence {
        KVEvidence(windowQueries: 1, rollingRows: 1)
    }

    /// The newest row, after a prompt.
    public func forced(budget: Int, phase: KVPhase) -> KVForcedRows {
        KVForcedRows(newest: phase == .decode || phase == .verify ? 0 : 1)
    }

    /// Attention of the newest query, one value per row for all heads: summed over the query heads of a KV head,
    /// averaged over KV heads.
    ///
    /// Where KV heads hold different rows, which only budgets per head bring about, each head has its own mean.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        let perHead = (0..<layer.shape.kvHeadCount).map { layer.newestWeights(ofHead: $0) }
        guard layer.isEven else { return perHead }
        return Array(repeating: Self.mean(of: perHead, layer.kernels), count: perHead.count)
    }

    /// The mean of several heads' attention, `[heads][rows]` → `[rows]`.
    package static func mean(of heads: [[Float]], _ kernels: Kernels = .best) -> [Float] {
        kernels.sums(of: heads, count: heads.first?.count ?? 0, divisor: Double(max(heads.count, 1)))
    }
}
