/// Splits a number of rows over layers (or heads), with an exact sum.
public enum KVShares {
    /// `floor` rows for everybody and the rest in proportion to `weights`, but nobody more than its cap.
    ///
    /// What a cap cuts off is shared among the others. Fractions are rounded down, and the missing rows go one
    /// each to the largest fractions (compared at 1e-6), ties to the lower index. Weights that are all 0 count
    /// as equal.
    ///
    /// - Returns: one number per weight, with sum `min(total, Σ caps)`.
    /// - Complexity: O(n²) in the number of layers.
    /// Source: ZigZagKV, arXiv:2412.09036, equations 4–6, with exact integers.
    public static func split(_ total: Int, weights: [Double], floor: Double = 0, caps: [Int]) -> [Int] {
        precondition(weights.count == caps.count, "\(weights.count) weights, \(caps.count) caps")
        guard caps.reduce(0, +) > total else { return caps }
        var shares = caps.map(Double.init)
        var left = Double(total)
        var active = Array(weights.indices)
        while !active.isEmpty {
            let base = min(floor, left / Double(active.count))
            let rest = left - Double(active.count) * base
            let sum = active.reduce(0) { $0 + weights[$1] }
            for index in active {
                let weight = sum > 0 ? weights[index] / sum : 1 / Double(active.count)
                shares[index] = base + rest * weight
            }
            let over = active.filter { shares[$0] > Double(caps[$0]) }
            guard !over.isEmpty else { break }
            for index in over {
                shares[index] = Double(caps[index])
                left -= shares[index]
            }
            active.removeAll(where: over.contains)
        }
        return rounded(shares, total: total, caps: caps)
    }

    /// Whole numbers with sum `total` near `shares`, each at most its cap.
    static func rounded(_ shares: [Double], total: Int, caps: [Int]) -> [Int] {
        var result = zip(shares, caps).map { min(Int(($0 + 1e-9).rounded(.down)), $1) }
        var missing = total - result.reduce(0, +)
        func fraction(_ index: Int) -> Int { Int(((shares[index] - Double(result[index])) * 1e6).rounded()) }
        let order = shares.indices.map { (index: $0, fraction: fraction($0)) }
            .sorted { $0.fraction != $1.fraction ? $0.fraction > $1.fraction : $0.index < $1.index }
        while missing > 0 {
            let before = missing
            for (index, _) in order where missing > 0 && result[index] < caps[index] {
                result[index] += 1
                missing -= 1
            }
            if missing == before { break }
        }
        return result
    }
}
