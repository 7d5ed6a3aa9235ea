/// A running mean with the standard error of it, in double precision.
///
/// Source: Welford, 1962, Technometrics 4(3), 419–420.
public struct Mean: Sendable, Equatable {
    /// Numbers added so far.
    public private(set) var count = 0
    /// Their mean; 0 before the first.
    public private(set) var value = 0.0
    private var squares = 0.0  // Σ (x − mean)²

    /// The mean of nothing.
    public init() {}

    /// Adds a number.
    public mutating func add(_ x: Double) {
        count += 1
        let difference = x - value
        guard difference.isFinite else { return overflow(by: x) }
        value += difference / Double(count)
        squares += difference * (x - value)
    }

    /// Adds the numbers of another mean.
    ///
    /// Source: Chan, Golub and LeVeque, 1983, American Statistician 37(3), 242–247.
    public mutating func merge(_ other: Mean) {
        guard other.count > 0 else { return }
        let total = count + other.count
        let difference = other.value - value
        guard difference.isFinite else {
            count = total
            return overflow(by: other.value)
        }
        let share = Double(other.count) / Double(total)
        value += difference * share
        squares += other.squares + difference * difference * Double(count) * share
        count = total
    }

    /// With an infinite number the mean is infinite and its error unknown; with NaN, all is NaN.
    private mutating func overflow(by x: Double) {
        value += x
        squares = .nan
    }

    /// The sample variance; 0 for fewer than two numbers.
    public var variance: Double { count > 1 ? squares / Double(count - 1) : 0 }

    /// The standard error of the mean; 0 for fewer than two numbers.
    public var standardError: Double { count > 1 ? (variance / Double(count)).squareRoot() : 0 }
}
