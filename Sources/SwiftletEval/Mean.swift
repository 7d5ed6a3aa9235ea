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
        value += difference / Double(count)
        squares += difference * (x - value)
    }

    /// The sample variance; 0 for fewer than two numbers.
    public var variance: Double { count > 1 ? squares / Double(count - 1) : 0 }

    /// The standard error of the mean; 0 for fewer than two numbers.
    public var standardError: Double { count > 1 ? (variance / Double(count)).squareRoot() : 0 }
}
