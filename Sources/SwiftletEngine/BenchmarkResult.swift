public import SwiftletCache

/// What one test of a benchmark measured.
public struct BenchmarkResult: Sendable {
    /// The name that the model was asked for by.
    public let model: String
    /// Architecture, size and main number format, such as `llama 135M q8_0`.
    public let modelDescription: String
    /// Bytes of all weights, as stored.
    public let weightBytes: Int
    /// Numbers in all weights.
    public let parameterCount: Int
    /// Name of the instruction set.
    public let instructionSet: String
    /// Threads in use.
    public let threadCount: Int
    /// Tokens of a prompt that are processed at a time.
    public let batchSize: Int
    /// Number formats of the cache.
    public let cacheFormat: KVFormat
    /// What was measured.
    public let test: BenchmarkTest
    /// How the depth was reached.
    public let fill: Benchmark.Fill
    /// Seconds of each repetition.
    public let seconds: [Double]
    /// Bytes of the cache at the end of a repetition.
    public let cacheBytes: Int
    /// The most memory that the process had resident during the test, in bytes; where the system cannot count
    /// anew, since its start.
    public let peakResidentBytes: Int
    /// The least bytes that one repetition has to read; see `docs/commands/bench.md`.
    public let bytesRead: Double
    /// Multiplications and additions of one repetition.
    public let operations: Double
    /// Whether most weights are in a block format, for which the ceiling is that of such products.
    public let hasBlockWeights: Bool

    /// Mean of ``seconds``.
    public var meanSeconds: Double { Statistics.mean(seconds) }
    /// Sample standard deviation of ``seconds``; 0 for one repetition.
    public var secondsDeviation: Double { Statistics.deviation(seconds) }
    /// Tokens per second of each repetition.
    public var rates: [Double] { seconds.map { Double(test.tokenCount) / $0 } }
    /// Mean of ``rates``.
    public var meanRate: Double { Statistics.mean(rates) }
    /// Sample standard deviation of ``rates``; 0 for one repetition.
    public var rateDeviation: Double { Statistics.deviation(rates) }
    /// Median of ``rates``.
    public var medianRate: Double { Statistics.median(rates) }
    /// The least bytes read per token, on average.
    public var bytesReadPerToken: Double { bytesRead / Double(test.tokenCount) }
    /// Bytes read per second, at the median rate.
    public var bandwidth: Double { bytesReadPerToken * medianRate }
    /// Operations per second, at the median rate.
    public var operationRate: Double { operations / Double(test.tokenCount) * medianRate }

    /// The achieved share of a machine's read bandwidth.
    public func bandwidthShare(of ceiling: Ceiling) -> Double { bandwidth / ceiling.readBandwidth }

    /// The achieved share of a machine's rate of matrix products with weights of this kind.
    public func operationShare(of ceiling: Ceiling) -> Double {
        operationRate / (hasBlockWeights ? ceiling.blockProductRate : ceiling.floatProductRate)
    }
}

/// Averages of a few numbers.
enum Statistics {
    static func mean(_ values: [Double]) -> Double {
        values.isEmpty ? 0 : values.reduce(0, +) / Double(values.count)
    }

    /// The sample standard deviation; 0 for fewer than two values.
    static func deviation(_ values: [Double]) -> Double {
        guard values.count > 1 else { return 0 }
        let mean = mean(values)
        let squares = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        return (squares / Double(values.count - 1)).squareRoot()
    }

    /// The middle value, or the mean of the two in the middle.
    static func median(_ values: [Double]) -> Double {
        guard !values.isEmpty else { return 0 }
        let sorted = values.sorted()
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
