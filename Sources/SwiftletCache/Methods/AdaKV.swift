/// AdaKV: divides a layer's budget over its KV heads by where the best scores are.
///
/// The best rows of every head are safe; then the smallest scores of all heads together leave. Heads really
/// hold different numbers of rows, and their sum is exact. Scores have to be comparable across heads.
///
/// Source: Feng et al., 2024, arXiv:2407.11550, algorithm 1, with the selection rule of kvpress.
public struct AdaptiveHeads: KVHeadAllocator {
    /// Share of the mean budget that every head keeps in any case.
    public var safeguard: Double

    /// Takes the safeguard of kvpress.
    public init(safeguard: Double = 0.2) { self.safeguard = safeguard }

    /// Budgets follow the scores.
    public var readsScores: Bool { true }

    /// Rows of each head; the sum is `kvHeads × budget`, or all rows if there are fewer.
    public func budgets(
        layer: Int, budget: Int, rowCounts: [Int], scores: [[Float]], forced: KVForcedRows
    ) -> [Int] {
        Self.budgets(scores: scores, budget: budget, safe: Self.safeRows(budget, safeguard), forced: forced)
    }

    /// Rows that are safe in every head.
    package static func safeRows(_ budget: Int, _ safeguard: Double) -> Int {
        Int(Double(budget) * safeguard)
    }

    /// How many of the best scores of all heads lie in each head, `budget` per head on average.
    ///
    /// Ties go to the lower row, then to the lower head.
    package static func budgets(
        scores: [[Float]], budget: Int, safe: Int, forced: KVForcedRows
    ) -> [Int] {
        let heads = scores.count
        let longest = scores.reduce(0) { max($0, $1.count) }
        // Row by row, so that the order of the list is the order of ties; NaN never wins over a real row.
        var all = [Float](repeating: .nan, count: heads * longest)
        for (head, scores) in scores.enumerated() {
            for (row, score) in scores.enumerated() {
                all[row * heads + head] = max(score.isNaN ? -.infinity : score, -.greatestFiniteMagnitude)
            }
            for row in KVSelection.best(
                of: scores, budget: min(safe, budget), forced: forced)
                + forcedRows(scores.count, budget, forced)
            {
                all[row * heads + head] = .infinity
            }
        }
        var counts = [Int](repeating: 0, count: heads)
        for index in all.indicesOfLargest(min(heads * budget, scores.reduce(0) { $0 + $1.count })) {
            counts[index % heads] += 1
        }
        return counts
    }

    private static func forcedRows(_ count: Int, _ budget: Int, _ forced: KVForcedRows) -> [Int] {
        let oldest = min(forced.oldest, budget, count)
        let newest = min(forced.newest, budget - oldest, count - oldest)
        return Array(0..<oldest) + Array(count - newest..<count)
    }

    /// Rows before the window that the original code keeps per head: a blend of an equal share and of the head's
    /// share of the globally best rows, each rounded for itself.
    ///
    /// - Returns: how many of the `heads × base` best scores lie in each head, and the budgets.
    package static func originalBudgets(
        scores: [[Float]], base: Int, safeguard: Double
    ) -> (counts: [Int], budgets: [Int]) {
        let counts = budgets(scores: scores, budget: base, safe: 0, forced: KVForcedRows())
        let floor = Double(safeRows(base, safeguard))
        return (
            counts,
            counts.map { Int((Double($0) * (1 - safeguard) + floor).rounded(.toNearestOrEven)) }
        )
    }
}
