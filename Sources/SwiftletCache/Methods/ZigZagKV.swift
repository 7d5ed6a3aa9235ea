/// ZigZagKV: budgets in proportion to how many rows each layer needs to keep most of its attention.
///
/// Combined with ``SnapKVSelector`` this is the method of the paper. Budgets need the statistics of all layers, so
/// that the full cache lives until the prompt ends.
///
/// Source: Zhong et al., 2024, arXiv:2412.09036, equations 4–6; integers with an exact sum are ours.
public struct UncertaintyLayers: KVLayerAllocator {
    /// Share of a head's attention that has to stay.
    public var threshold: Double
    /// Newest queries that are asked.
    public var window: Int
    /// Share of the mean budget that every layer keeps in any case.
    public var boundRatio: Double

    /// Keeps 90 % of the attention and gives every layer a fifth of the mean budget.
    public init(threshold: Double = 0.9, window: Int = 32, boundRatio: Double = 0.2) {
        self.threshold = threshold
        self.window = window
        self.boundRatio = boundRatio
    }

    /// Budgets wait for all layers.
    public var isStatic: Bool { false }

    /// The newest queries.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence(windowQueries: window) }

    /// LMBA: the mean over query heads of the rows that hold the threshold of a head's attention.
    public func statistic(of layer: KVLayerView) -> Double {
        let heads = (0..<layer.shape.kvHeadCount).flatMap { layer.windowMeans(ofHead: $0, newest: window) }
        return Self.mean(heads.map { Self.minimumRows(of: $0, threshold: threshold) })
    }

    /// The bounded form; the floor is at least what the selector forces.
    public func budgets(for demand: KVDemand) -> [Int] {
        let layers = Double(max(demand.rowCounts.count, 1))
        let bound = max(boundRatio * Double(demand.total) / layers, Double(demand.minimum))
        return Self.budgets(
            uncertainty: demand.statistics, total: demand.total, bound: bound, caps: demand.rowCounts)
    }

    /// MBA of a head: how many rows, the largest first, hold `threshold` of the attention.
    ///
    /// - Complexity: O(rows log rows).
    package static func minimumRows(of attention: [Float], threshold: Double) -> Int {
        let wanted = threshold * attention.reduce(0) { $0 + Double($1) }
        var held = 0.0
        for (index, weight) in attention.sorted(by: >).enumerated() {
            if held >= wanted { return index }
            held += Double(weight)
        }
        return attention.count
    }

    /// LMBA of some heads.
    package static func mean(_ rows: [Int]) -> Double {
        rows.isEmpty ? 0 : Double(rows.reduce(0, +)) / Double(rows.count)
    }

    /// The layers' shares of the uncertainty, with sum 1; equal if all are 0.
    package static func shares(_ uncertainty: [Double]) -> [Double] {
        let sum = uncertainty.reduce(0, +)
        return uncertainty.map { sum > 0 ? $0 / sum : 1 / Double(uncertainty.count) }
    }

    /// Equation 6: `bound + (mean − bound) · layers · share`, neither rounded nor capped.
    package static func realBudgets(_ uncertainty: [Double], mean: Double, bound: Double) -> [Double] {
        shares(uncertainty).map { bound + (mean - bound) * Double(uncertainty.count) * $0 }
    }

    /// Whole numbers with sum `min(total, Σ caps)`.
    package static func budgets(
        uncertainty: [Double], total: Int, bound: Double, caps: [Int]
    ) -> [Int] {
        KVShares.split(total, weights: uncertainty, floor: bound, caps: caps)
    }

    /// The output side of the same question (LMBO), for analysis: the relative error of a layer's output when every
    /// head keeps its `n` most attended rows and renormalises, for `n` from 1 to all.
    ///
    /// - Parameters:
    ///   - attention: of the last query, `[heads][rows]`.
    ///   - values: of the KV head that each head reads, `[heads][rows][valueSize]`.
    /// - Complexity: `heads × rows × valueSize`.
    package static func outputErrors(attention: [[Float]], values: [[[Float]]]) -> [Double] {
        let rows = attention.first?.count ?? 0
        var squares = [Double](repeating: 0, count: rows)
        var total = 0.0
        for (weights, values) in zip(attention, values) {
            let order = weights.indices.sorted {
                weights[$0] != weights[$1] ? weights[$0] > weights[$1] : $0 < $1
            }
            let sums = prefixSums(order, weights, values)
            guard let all = sums.last else { continue }
            let output = all.weighted.map { $0 / all.mass }
            total += output.reduce(0) { $0 + $1 * $1 }
            for (count, sum) in sums.enumerated() {
                squares[count] += zip(sum.weighted, output).reduce(0) {
                    let difference = $1.0 / sum.mass - $1.1
                    return $0 + difference * difference
                }
            }
        }
        return squares.map { total > 0 ? ($0 / total).squareRoot() : 0 }
    }

    /// LMBO: the smallest number of rows whose relative output error is at most `epsilon`.
    package static func outputRows(errors: [Double], epsilon: Double) -> Int {
        (errors.firstIndex { $0 <= epsilon } ?? errors.count - 1) + 1
    }

    /// `Σ a` and `Σ a·v` over the first rows of an order.
    private static func prefixSums(
        _ order: [Int], _ weights: [Float], _ values: [[Float]]
    ) -> [(mass: Double, weighted: [Double])] {
        var mass = 0.0
        var weighted = [Double](repeating: 0, count: values.first?.count ?? 0)
        return order.map { row in
            mass += Double(weights[row])
            for index in weighted.indices {
                weighted[index] += Double(weights[row]) * Double(values[row][index])
            }
            return (mass, weighted)
        }
    }
}
