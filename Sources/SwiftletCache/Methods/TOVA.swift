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

    /// Attention of the newest query, one value per row for all heads.
    ///
    /// Where KV heads hold different rows, which only budgets per head bring about, each head has its own mean.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        let sums = (0..<layer.shape.kvHeadCount).map { layer.newestWeights(ofHead: $0) }
        guard layer.isEven else {
            return sums.map { Self.mean(of: [$0], heads: layer.shape.group, layer.kernels) }
        }
        let mean = Self.mean(of: sums, heads: layer.shape.headCount, layer.kernels)
        return Array(repeating: mean, count: sums.count)
    }

    /// The mean attention of some heads, from sums over one or several of them each, `[sums][rows]` → `[rows]`.
    package static func mean(of sums: [[Float]], heads: Int, _ kernels: Kernels = .best) -> [Float] {
        kernels.sums(of: sums, count: sums.first?.count ?? 0, divisor: Double(max(heads, 1)))
    }
}
