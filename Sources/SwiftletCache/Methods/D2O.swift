#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// D2O's layer level: layers whose attention is spread evenly get a larger share of the budget.
///
/// Source: Wan et al., 2024, arXiv:2406.13035, §3.2 with the reference code's normalisation of variances, without
/// which one layer would take everything.
public struct VarianceLayers: KVLayerAllocator {
    /// Layers at the bottom that keep every row.
    public var exemptBottom: Int
    /// Layers at the top that keep every row.
    public var exemptTop: Int

    /// Exempts layers 0, 1 and the last, as the reference code does.
    public init(exemptBottom: Int = 2, exemptTop: Int = 1) {
        self.exemptBottom = exemptBottom
        self.exemptTop = exemptTop
    }

    /// Budgets wait for all layers.
    public var isStatic: Bool { false }

    /// Sums over all queries.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence(columnSums: true) }

    /// How unevenly the layer's heads spread their attention, in [0, 1].
    public func statistic(of layer: KVLayerView) -> Double {
        Self.spread((0..<layer.shape.headCount).map { layer.columnSums(ofQueryHead: $0) }).mean
    }

    /// Shares of `softmax(−F)` with the budget as their sum.
    ///
    /// Unlike the reference code, exempt layers count as part of the budget. They are exempt only while the other
    /// layers keep what is forced and at least half of the mean budget; in a small model or under a small budget nobody is.
    public func budgets(for demand: KVDemand) -> [Int] {
        let layers = demand.rowCounts.indices
        var weights = Self.shares(demand.statistics)
        var exempt = layers.filter { $0 < exemptBottom || $0 >= layers.count - exemptTop }
        var rest = demand.total - exempt.reduce(0) { $0 + demand.rowCounts[$1] }
        let others = layers.count - exempt.count
        if rest * layers.count * 2 < demand.total * others || rest < demand.minimum * others {
            exempt = []
            rest = demand.total
        }
        var caps = demand.rowCounts
        for layer in exempt { (weights[layer], caps[layer]) = (0, 0) }
        var budgets = KVShares.split(rest, weights: weights, caps: caps)
        if layers.contains(where: { budgets[$0] < min(demand.minimum, caps[$0]) }) {
            budgets = KVShares.split(rest, weights: weights, floor: Double(demand.minimum), caps: caps)
        }
        for layer in exempt { budgets[layer] = demand.rowCounts[layer] }
        return budgets
    }

    /// The variance of every head's column sums, scaled to [0, 1] within the layer, and the mean of that (F).
    ///
    /// - Parameters:
    ///   - columnSums: `[heads][rows]`.
    ///   - epsilon: added to the range of variances.
    package static func spread(_ columnSums: [[Float]], epsilon: Double = 1e-6) -> (
        variances: [Double], scaled: [Double], mean: Double
    ) {
        let variances = columnSums.map(variance)
        let low = variances.min() ?? 0
        let range = (variances.max() ?? 0) - low + epsilon
        let scaled = variances.map { ($0 - low) / range }
        return (variances, scaled, scaled.reduce(0, +) / Double(max(scaled.count, 1)))
    }

    /// The unbiased variance.
    private static func variance(_ numbers: [Float]) -> Double {
        guard numbers.count > 1 else { return 0 }
        let mean = numbers.reduce(0) { $0 + Double($1) } / Double(numbers.count)
        let squares = numbers.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        return squares / Double(numbers.count - 1)
    }

    /// `softmax(−F)` over layers.
    package static func shares(_ spreads: [Double]) -> [Double] {
        let least = spreads.min() ?? 0
        let weights = spreads.map { exp(least - $0) }
        let sum = weights.reduce(0, +)
        return weights.map { $0 / sum }
    }

    /// Budgets of one layer in the reference code.
    package struct ReferenceBudget: Hashable, Sendable {
        /// Share of the layer's rows before the clamp.
        package var alpha: Double
        /// The same, clamped.
        package var ratio: Double
        /// Rows for heavy hitters and for the newest.
        package var heavy, recent: Int
    }

    /// Budgets as the reference code computes them: what a clamp cuts off is lost, and exempt layers come on top.
    package static func referenceBudgets(
        spreads: [Double], heavyRatio: Double, recentRatio: Double, rows: Int, clamp: ClosedRange<Double>
    ) -> [ReferenceBudget] {
        let total = heavyRatio + recentRatio
        return shares(spreads).map { share in
            let alpha = share * Double(spreads.count) * total
            let ratio = min(max(alpha, clamp.lowerBound), clamp.upperBound)
            return ReferenceBudget(
                alpha: alpha, ratio: ratio, heavy: Int(Double(rows) * ratio * heavyRatio / total),
                recent: Int(Double(rows) * ratio * recentRatio / total))
        }
    }
}
