/// PyramidKV: budgets that fall linearly with depth, because attention narrows from layer to layer.
///
/// Combined with ``SnapKVSelector`` this is the method of the paper.
///
/// Source: Cai et al., 2024, arXiv:2406.02069, §3.2, in the form of kvpress, whose budgets count the window; the
/// rows that rounding loses are handed out, so that the sum is exact.
public struct PyramidLayers: KVLayerAllocator {
    /// How steep the pyramid is: the top layer keeps the mean budget divided by this number.
    public var beta: Double

    /// Takes the paper's slope.
    public init(beta: Double = 20) { self.beta = beta }

    /// Budgets need the length of the prompt only.
    public var isStatic: Bool { true }

    /// Falling numbers, or equal ones where the pyramid's top would not hold the forced rows.
    public func budgets(for demand: KVDemand) -> [Int] {
        guard let length = demand.rowCounts.min(), length > 0 else { return demand.rowCounts }
        let layers = demand.rowCounts.count
        guard demand.rowCounts.reduce(0, +) > demand.total else { return demand.rowCounts }
        let slope = Self.slope(
            mean: Double(demand.total) / Double(layers), length: length, window: demand.minimum, beta: beta)
        return KVShares.rounded(
            Self.line(slope, layers: layers), total: demand.total, caps: demand.rowCounts)
    }

    /// Rows of the lowest and the highest layer; equal if no pyramid fits.
    static func slope(mean: Double, length: Int, window: Int, beta: Double) -> (first: Double, last: Double) {
        var last = mean / beta
        var first = 2 * mean - last
        if first >= Double(length - window) {
            first = Double(length - window)
            last = 2 * mean - first
        }
        guard Double(length) >= first, first >= last, last >= Double(window) else { return (mean, mean) }
        return (first, last)
    }

    private static func line(_ slope: (first: Double, last: Double), layers: Int) -> [Double] {
        guard layers > 1 else { return [(slope.first + slope.last) / 2] }
        return (0..<layers).map {
            slope.first - Double($0) * (slope.first - slope.last) / Double(layers - 1)
        }
    }

    /// Budgets as kvpress rounds them, each for itself, half to even; they may miss the sum.
    package static func roundedBudgets(
        mean: Double, length: Int, layers: Int, window: Int, beta: Double
    ) -> [Int] {
        line(slope(mean: mean, length: length, window: window, beta: beta), layers: layers)
            .map { Int($0.rounded(.toNearestOrEven)) }
    }

    /// Rows before the window that each layer keeps in the original code, which divides whole numbers.
    package static func originalPrefixBudgets(
        length: Int, layers: Int, capacity: Int, window: Int, beta: Int
    ) -> [Int] {
        guard length >= capacity else { return Array(repeating: max(length - window, 0), count: layers) }
        let base = capacity - window
        guard length >= 2 * base, layers > 1 else { return Array(repeating: base, count: layers) }
        var last = base / beta
        var first = 2 * base - last
        if first >= length - window {
            first = length - window
            last = 2 * base - first
        }
        let step = (first - last) / (layers - 1)
        return (0..<layers).map { first - $0 * step }
    }
}
