import CoreMetrics
import Synchronization

/// Keeps the metrics of one server and writes them in Prometheus' text format.
///
/// It is a backend of swift-metrics: counters, meters, recorders and timers that are made with it as their factory
/// appear in ``text``. Recorders that aggregate and timers become histograms. Series are never dropped, so labels
/// must come from a small set.
///
/// Source: Prometheus, "Exposition formats", text format 0.0.4.
final class PrometheusRegistry: MetricsFactory, Sendable {
    /// What a metric means, and the bounds of its buckets if it is a histogram.
    struct Description: Sendable {
        var help: String
        var bounds: [Double] = []
    }

    private struct Series {
        var labels: [(String, String)]
        var read: @Sendable () -> Reading
    }

    /// What a series shows.
    enum Reading {
        case counter(Double)
        case gauge(Double)
        case histogram(bounds: [Double], counts: [UInt64], sum: Double)
    }

    private let descriptions: [String: Description]
    private let series = Mutex<[String: [Series]]>([:])

    init(_ descriptions: [String: Description]) { self.descriptions = descriptions }

    private func add(
        _ label: String, _ dimensions: [(String, String)], _ read: @escaping @Sendable () -> Reading
    ) {
        series.withLock { $0[label, default: []].append(Series(labels: dimensions, read: read)) }
    }

    // MARK: Factory

    func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        let cell = NumberCell()
        add(label, dimensions) { .counter(cell.value) }
        return cell
    }

    func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        let cell = NumberCell()
        add(label, dimensions) { .counter(cell.value) }
        return cell
    }

    func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        let cell = NumberCell()
        add(label, dimensions) { .gauge(cell.value) }
        return cell
    }

    func makeRecorder(
        label: String, dimensions: [(String, String)], aggregate: Bool
    ) -> any RecorderHandler {
        guard aggregate else {
            let cell = NumberCell()
            add(label, dimensions) { .gauge(cell.value) }
            return cell
        }
        return makeHistogram(label, dimensions)
    }

    func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        makeHistogram(label, dimensions)
    }

    private func makeHistogram(_ label: String, _ dimensions: [(String, String)]) -> HistogramCell {
        let cell = HistogramCell(bounds: descriptions[label]?.bounds ?? [])
        add(label, dimensions) { cell.reading }
        return cell
    }

    // Metrics live as long as their server.
    func destroyCounter(_ handler: any CounterHandler) {}
    func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) {}
    func destroyMeter(_ handler: any MeterHandler) {}
    func destroyRecorder(_ handler: any RecorderHandler) {}
    func destroyTimer(_ handler: any TimerHandler) {}

    // MARK: Text

    /// Writes all metrics, sorted by name.
    func write(to text: inout PrometheusText) {
        for (name, series) in series.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
            let help = descriptions[name]?.help ?? name
            for series in series { text.add(name, help, series.labels, series.read()) }
        }
    }
}

/// A number that any thread changes.
final class NumberCell: CounterHandler, FloatingPointCounterHandler, MeterHandler, RecorderHandler {
    private let number = Mutex(0.0)

    var value: Double { number.withLock { $0 } }

    func increment(by amount: Int64) { number.withLock { $0 += Double(amount) } }
    func increment(by amount: Double) { number.withLock { $0 += amount } }
    func decrement(by amount: Double) { number.withLock { $0 -= amount } }
    func reset() { number.withLock { $0 = 0 } }
    func set(_ value: Int64) { number.withLock { $0 = Double(value) } }
    func set(_ value: Double) { number.withLock { $0 = value } }
    func record(_ value: Int64) { set(value) }
    func record(_ value: Double) { set(value) }
}

/// Counts values in buckets.
final class HistogramCell: RecorderHandler, TimerHandler {
    private struct State {
        var counts: [UInt64]
        var sum = 0.0
    }

    private let bounds: [Double]
    private let state: Mutex<State>

    /// - Parameter bounds: upper bounds, ascending; a bucket without bound follows.
    init(bounds: [Double]) {
        self.bounds = bounds
        state = Mutex(State(counts: Array(repeating: 0, count: bounds.count + 1)))
    }

    var reading: PrometheusRegistry.Reading {
        let state = state.withLock { $0 }
        return .histogram(bounds: bounds, counts: state.counts, sum: state.sum)
    }

    func record(_ value: Double) {
        let bucket = bounds.firstIndex { value <= $0 } ?? bounds.count
        state.withLock { state in
            state.counts[bucket] += 1
            state.sum += value
        }
    }

    func record(_ value: Int64) { record(Double(value)) }
    func recordNanoseconds(_ duration: Int64) { record(Double(duration) * 1e-9) }
}

/// Text in Prometheus' format.
struct PrometheusText {
    private(set) var text = ""
    private var described: Set<String> = []

    /// Adds a series; those of one name must follow each other.
    mutating func add(
        _ name: String, _ help: String, _ labels: [(String, String)] = [],
        _ reading: PrometheusRegistry.Reading
    ) {
        describe(name, help, reading)
        switch reading {
        case .counter(let value), .gauge(let value): line(name, labels, value)
        case .histogram(let bounds, let counts, let sum):
            var total: UInt64 = 0
            for (index, count) in counts.enumerated() {
                total += count
                let bound = index < bounds.count ? Self.number(bounds[index]) : "+Inf"
                line(name + "_bucket", labels + [("le", bound)], Double(total))
            }
            line(name + "_sum", labels, sum)
            line(name + "_count", labels, Double(total))
        }
    }

    private mutating func describe(_ name: String, _ help: String, _ reading: PrometheusRegistry.Reading) {
        guard described.insert(name).inserted else { return }
        let type =
            switch reading {
            case .counter: "counter"
            case .gauge: "gauge"
            case .histogram: "histogram"
            }
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    private mutating func line(_ name: String, _ labels: [(String, String)], _ value: Double) {
        let list = labels.map { "\($0.0)=\"\(Self.escape($0.1))\"" }.joined(separator: ",")
        text += name + (list.isEmpty ? "" : "{\(list)}") + " " + Self.number(value) + "\n"
    }

    private static func number(_ value: Double) -> String {
        if value.isNaN { return "NaN" }
        if value.isInfinite { return value < 0 ? "-Inf" : "+Inf" }
        return Int(exactly: value).map(String.init) ?? "\(value)"
    }

    private static func escape(_ text: String) -> String {
        var escaped = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\\": escaped += "\\\\"
            case "\"": escaped += "\\\""
            case "\n": escaped += "\\n"
            default: escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}
