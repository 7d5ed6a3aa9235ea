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
    /// What the cache kept.
    public let policy: KVPolicy
    /// What was measured.
    public let test: BenchmarkTest
    /// How the depth was reached.
    public let fill: Benchmark.Fill
    /// Seconds of each repetition.
    public let seconds: [Double]
    /// The cache at the end of the last repetition.
    public let cache: CacheUse
    /// The most memory that the process had resident during the test, in bytes; where the system cannot count
    /// anew, since its start.
    public let peakResidentBytes: Int
    /// The least bytes that one repetition has to read; see `docs/commands/bench.md`.
    public let bytesRead: Double
    /// Bytes of the cache among them.
    public let cacheBytesRead: Double
    /// Multiplications and additions of one repetition.
    public let operations: Double
    /// Whether most weights are in a block format, for which the ceiling is that of such products.
    public let hasBlockWeights: Bool
    /// How it compares with the full cache, if it was measured beside it.
    public internal(set) var comparison: BenchmarkComparison?

    /// What a cache held.
    public struct CacheUse: Hashable, Sendable {
        /// Bytes of pages, positions and what the policy recorded.
        public let bytes: Int
        /// The most bytes ever held at once, those that came in with the depth included.
        public let peakBytes: Int
        /// Bytes of pages that the system had in memory; `nil` if it does not say.
        public let residentBytes: Int?
        /// Rows per layer and KV head, on average over the layers that store rows.
        public let meanRows: Double
    }

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
    /// Bytes of the cache among them.
    public var cacheBytesReadPerToken: Double { cacheBytesRead / Double(test.tokenCount) }
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

/// A result beside that of the full cache, whose repetitions took turns with it.
public struct BenchmarkComparison: Hashable, Sendable {
    /// How many times faster: the median over the repetitions.
    public let speedup: Double
    /// How many times faster it could be: for generated tokens by the bytes that have to be read, weights and
    /// cache, for a prompt by the operations; `nil` for a test of both.
    public let bound: Double?
    /// Bytes held, as a share of those of the full cache.
    public let heldShare: Double

    init(of result: BenchmarkResult, with reference: BenchmarkResult) {
        speedup = Statistics.median(zip(reference.seconds, result.seconds).map { $0 / $1 })
        switch (result.test.promptTokens, result.test.generatedTokens) {
        case (0, _): bound = reference.bytesRead / result.bytesRead
        case (_, 0): bound = reference.operations / result.operations
        default: bound = nil
        }
        heldShare = Double(result.cache.bytes) / Double(max(reference.cache.bytes, 1))
    }

    /// The share of the bound that was reached.
    public var boundShare: Double? { bound.map { speedup / $0 } }
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
