/// Calibration measured window by window: the total, and intervals by drawing windows again.
public struct CalibrationSeries: Sendable {
    /// What intervals are made of.
    public enum Measure: String, CaseIterable, Sendable {
        /// ``Calibration/fullError``.
        case fullECE = "full_ece"
        /// ``Calibration/topError``.
        case topECE = "ece"
        /// Mean negative log probability of the text's token, in nats.
        case loss = "nll"
        /// Mean squared distance of the probabilities from the text's token.
        case brier
        /// Share of positions whose likeliest token is the text's.
        case accuracy
    }

    /// The sums of one window.
    private struct Part: Sendable {
        let positions: Double
        let all: [Double]
        let top: [Double]
        let loss: Double
        let brier: Double
        let hits: Double
    }

    /// All windows together.
    public private(set) var total: Calibration
    private var parts: [Part] = []

    /// No windows.
    ///
    /// - Parameter total: without positions; says bins, temperature and whether classes are kept.
    public init(_ total: Calibration) { self.total = total }

    /// Windows added.
    public var windowCount: Int { parts.count }

    /// Adds a window.
    public mutating func add(_ window: Calibration) {
        total.merge(window)
        let positions = Double(window.positionCount)
        parts.append(
            Part(
                positions: positions, all: window.all.deviations, top: window.top.deviations,
                loss: window.loss.value * positions, brier: window.brier.value * positions,
                hits: window.accuracy * positions))
    }

    /// A measure with its interval; windows are the cases.
    public func interval(_ measure: Measure, _ bootstrap: Bootstrap) -> Bootstrap.Interval {
        bootstrap.interval(of: parts.count) { value(measure, of: $0) }
    }

    /// How much larger a measure is here than in another series, of the same windows.
    public func difference(
        _ measure: Measure, from other: CalibrationSeries, _ bootstrap: Bootstrap
    ) -> Bootstrap.Interval {
        precondition(parts.count == other.parts.count, "\(parts.count) windows beside \(other.parts.count)")
        return bootstrap.interval(of: parts.count) { value(measure, of: $0) - other.value(measure, of: $0) }
    }

    private func value(_ measure: Measure, of windows: [Int]) -> Double {
        let positions = windows.reduce(0) { $0 + parts[$1].positions }
        func mean(_ sum: KeyPath<Part, Double>) -> Double {
            windows.reduce(0) { $0 + parts[$1][keyPath: sum] } / positions
        }
        func error(_ deviations: KeyPath<Part, [Double]>) -> Double {
            (0..<total.binCount).reduce(0) { sum, bin in
                sum + abs(windows.reduce(0) { $0 + parts[$1][keyPath: deviations][bin] })
            } / positions
        }
        return switch measure {
        case .fullECE: error(\.all)
        case .topECE: error(\.top)
        case .loss: mean(\.loss)
        case .brier: mean(\.brier)
        case .accuracy: mean(\.hits)
        }
    }
}
