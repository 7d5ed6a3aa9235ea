import SwiftletCache
import SwiftletModels
public import SwiftletTensor

/// Measures how fast a model processes prompts and generates tokens, in the way of llama-bench.
///
/// Tokens are random, logits are computed and thrown away, nothing is sampled. One repetition that does not
/// count goes first.
///
/// ```swift
/// let model = try Model.load(nil, needsTokenizer: false)
/// let benchmark = Benchmark(test: BenchmarkTest(generatedTokens: 128))
/// if let result = try benchmark.run(model) { print(result.medianRate) }
/// ```
public struct Benchmark: Sendable {
    /// How the rows before a test come into the cache.
    public enum Fill: String, CaseIterable, Hashable, Sendable {
        /// Random tokens go through the model.
        case prefill
        /// Rows of seeded random numbers are written at once.
        case random
    }

    /// What is measured.
    public var test: BenchmarkTest
    /// Threads, batch size and cache format; the context is as long as the test needs.
    public var options = Session.Options()
    /// How ``BenchmarkTest/depth`` is reached.
    public var fill = Fill.prefill
    /// Repetitions that count, at least 1.
    public var repetitions = 5
    /// Whether a repetition that does not count goes first.
    public var warmsUp = true
    /// Of random tokens and rows.
    public var seed: UInt64 = 1

    /// A benchmark with llama-bench's settings.
    public init(test: BenchmarkTest) { self.test = test }

    /// Rows at the end of a random fill that are real if a policy drops rows: their tokens go through the model, so
    /// that the policy has queries to judge by.
    static let randomFillTail = 128

    /// Runs the test.
    ///
    /// - Parameter progress: called with the tokens done so far, of all repetitions, and their total; answers
    ///   whether to go on.
    /// - Returns: `nil` if `progress` ended it.
    /// - Throws: `.invalidArgument` for numbers out of range, `.limit` if memory cannot hold the cache.
    public func run(
        _ model: Model, progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> BenchmarkResult? {
        try Self.compare([self], model, progress: progress)?.first
    }

    /// Runs benchmarks side by side: their repetitions take turns, so that what else the machine does meets all of
    /// them alike. Every result but the first is compared with the first.
    ///
    /// - Parameters:
    ///   - benchmarks: the same test with different caches; all are in memory at once.
    ///   - progress: as in ``run(_:progress:)``.
    /// - Returns: a result for each, or `nil` if `progress` ended it.
    public static func compare(
        _ benchmarks: [Benchmark], _ model: Model,
        progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> [BenchmarkResult]? {
        for benchmark in benchmarks { try benchmark.validate() }
        MemoryProbe.resetPeak()
        let runs = try benchmarks.map { benchmark throws(SwiftletError) in try BenchmarkRun(benchmark, model)
        }
        let total = runs.reduce(0) { $0 + $1.work }
        var done = 0
        func step(_ count: Int) -> Bool {
            done += count
            return progress(done, total)
        }
        guard step(0) else { return nil }
        for run in runs {
            guard try run.prepare(step) else { return nil }
        }
        for repetition in 0..<(benchmarks.map(\.repetitions).max() ?? 0) {
            for run in runs where repetition < run.benchmark.repetitions {
                guard try run.repeatOnce(step) else { return nil }
            }
        }
        var results: [BenchmarkResult] = []
        for run in runs { results.append(run.result(comparedTo: results.first)) }
        return results
    }

    /// Checks every range.
    ///
    /// - Throws: `.invalidArgument` naming the flag, the value and the range.
    public func validate() throws(SwiftletError) {
        try options.validate()
        let limit = 1 << 30
        for (name, value, least) in [
            ("the number of prompt tokens (-p)", test.promptTokens, 0),
            ("the number of generated tokens (-n)", test.generatedTokens, 0),
            ("the depth (-d)", test.depth, 0), ("the number of repetitions (-r)", repetitions, 1),
        ] where !(least...limit).contains(value) {
            throw SwiftletError(.invalidArgument, "\(name) is \(value); expected \(least) to \(limit)")
        }
        guard test.tokenCount > 0 else {
            throw SwiftletError(.invalidArgument, "there is nothing to measure; -p or -n must be above 0")
        }
    }
}

extension Model {
    /// Numbers in all weights.
    public var parameterCount: Int { network.weights.reduce(0) { $0 + $1.tensor.elementCount } }

    /// The number format of most matrix entries.
    var mainFormat: NumberFormat {
        var counts: [NumberFormat: Int] = [:]
        for weight in network.weights where weight.tensor.shape.count > 1 {
            counts[weight.tensor.format, default: 0] += weight.tensor.elementCount
        }
        return counts.max { ($0.value, $1.key.rawValue) < ($1.value, $0.key.rawValue) }?.key ?? .f32
    }

    /// Architecture, size and main number format, such as `llama 135M q8_0`.
    var summary: String {
        let count = Double(parameterCount)
        let size =
            switch count {
            case 1e9...: Self.short(count / 1e9, "B")
            case 1e6...: Self.short(count / 1e6, "M")
            default: Self.short(count / 1e3, "K")
            }
        return "\(configuration.architecture) \(size) \(mainFormat)"
    }

    /// Two digits or all before the point: `1.1B`, `135M`.
    private static func short(_ value: Double, _ unit: String) -> String {
        let tenths = Int((value * 10).rounded())
        return tenths < 100 && tenths % 10 != 0
            ? "\(tenths / 10).\(tenths % 10)\(unit)" : "\((tenths + 5) / 10)\(unit)"
    }
}
