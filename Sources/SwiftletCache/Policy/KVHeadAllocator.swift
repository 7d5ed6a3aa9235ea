/// Divides a layer's budget over its KV heads.
public protocol KVHeadAllocator: Sendable {
    /// Whether ``budgets(layer:budget:rowCounts:scores:forced:)`` reads the scores, which then have to be comparable
    /// across heads.
    var readsScores: Bool { get }
    /// Rows of each KV head, with the sum `kvHeads × budget` as far as the heads have rows.
    ///
    /// - Parameters:
    ///   - layer: the layer's place in the plan.
    ///   - budget: rows per KV head on average.
    ///   - rowCounts: rows that the heads hold.
    ///   - scores: `[kvHeads][rows]`.
    ///   - forced: rows of every head that stay in any case.
    func budgets(
        layer: Int, budget: Int, rowCounts: [Int], scores: [[Float]], forced: KVForcedRows
    ) -> [Int]
}
