import SwiftletEngine

/// Confidence intervals by drawing the measurements again, with replacement.
///
/// The percentile method: the statistic of every resample is sorted, and the interval lies between two of its
/// quantiles. Draws come from a seeded generator, so that a report can be made again.
///
/// ```swift
/// let interval = Bootstrap().interval(ofMean: scores)
/// let difference = Bootstrap().interval(ofMeanDifference: scores, minus: baseline)
/// if difference.excludes(0) { … }
/// ```
///
/// Source: Efron, 1979, Annals of Statistics 7(1), 1–26; Efron and Tibshirani, 1993, chapter 13.
public struct Bootstrap: Sendable {
    /// An interval with the value of the measurements themselves.
    public struct Interval: Hashable, Sendable {
        /// The statistic of the measurements.
        public let value: Double
        /// Lower bound.
        public let low: Double
        /// Upper bound.
        public let high: Double

        /// Whether a value, such as no difference, lies outside.
        public func excludes(_ value: Double) -> Bool { value < low || value > high }
    }

    /// Resamples, at least 1.
    public var resamples: Int
    /// Probability that the interval covers, between 0 and 1.
    public var level: Double
    /// Seed of the draws.
    public var seed: UInt64

    /// A thousand resamples and 95 % unless told.
    public init(resamples: Int = 1_000, level: Double = 0.95, seed: UInt64 = 1) {
        (self.resamples, self.level, self.seed) = (resamples, level, seed)
    }

    /// The interval of the mean.
    ///
    /// - Parameter values: of independent cases, in any order. One value gives an interval of no width, none NaN.
    public func interval(ofMean values: [Double]) -> Interval {
        interval(of: values.count) { cases in
            cases.reduce(0) { $0 + values[$1] } / Double(values.count)
        }
    }

    /// The interval of the mean of `left[i] − right[i]`: both were measured on the same cases.
    ///
    /// - Precondition: as many left as right.
    public func interval(ofMeanDifference left: [Double], minus right: [Double]) -> Interval {
        precondition(left.count == right.count, "\(left.count) measurements beside \(right.count)")
        return interval(ofMean: zip(left, right).map { $0 - $1 })
    }

    /// The interval of any statistic of cases.
    ///
    /// - Parameters:
    ///   - count: number of cases.
    ///   - statistic: its value for the cases of these numbers, some of which come several times.
    public func interval(of count: Int, _ statistic: (_ cases: [Int]) -> Double) -> Interval {
        guard count > 0 else { return Interval(value: .nan, low: .nan, high: .nan) }
        let value = statistic(Array(0..<count))
        guard count > 1 else { return Interval(value: value, low: value, high: value) }
        var random = Xoshiro256(seed: seed)
        var cases = [Int](repeating: 0, count: count)
        var drawn = (0..<max(resamples, 1)).map { _ in
            for index in cases.indices { cases[index] = random.nextIndex(below: count) }
            return statistic(cases)
        }
        drawn.sort()
        let tail = (1 - level) / 2
        return Interval(
            value: value, low: Quantile.of(sorted: drawn, tail), high: Quantile.of(sorted: drawn, 1 - tail))
    }
}

/// Quantiles of sorted numbers.
public enum Quantile {
    /// The quantile between the two nearest numbers, on the line between them; NaN of none.
    ///
    /// - Parameters:
    ///   - values: ascending.
    ///   - share: from 0, the smallest, to 1, the largest.
    ///
    /// Source: Hyndman and Fan, 1996, American Statistician 50(4), definition 7.
    public static func of(sorted values: [Double], _ share: Double) -> Double {
        guard let last = values.indices.last else { return .nan }
        let place = min(max(share, 0), 1) * Double(last)
        let lower = Int(place)
        let weight = place - Double(lower)
        let (low, high) = (values[lower], values[min(lower + 1, last)])
        return weight == 0 || low == high ? low : low + weight * (high - low)
    }
}
