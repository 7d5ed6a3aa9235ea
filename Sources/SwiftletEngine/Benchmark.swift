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

    /// Runs the test.
    ///
    /// - Parameter progress: called with the tokens done so far, of all repetitions, and their total; answers
    ///   whether to go on.
    /// - Returns: `nil` if `progress` ended it.
    /// - Throws: `.invalidArgument` for numbers out of range, `.limit` if memory cannot hold the cache.
    public func run(
        _ model: Model, progress: (_ done: Int, _ total: Int) -> Bool = { _, _ in true }
    ) throws(SwiftletError) -> BenchmarkResult? {
        try validate()
        MemoryProbe.resetPeak()
        var options = options
        options.contextLength = test.depth + test.tokenCount
        let session = try Session(model, options)
        var cost = BenchmarkCost(model.network, options.cacheFormat)
        try MemoryProbe.check(
            need: Int(cost.cacheBytesPerToken * Double(test.depth + test.tokenCount)),
            available: MemoryProbe.availableBytes,
            purpose: "a cache of \(test.depth + test.tokenCount) tokens")
        cost.add(test, batchSize: options.batchSize)

        var run = Repetition(session, test, batchSize: options.batchSize, seed: seed)
        let warmUp = BenchmarkTest(
            promptTokens: test.promptTokens, generatedTokens: min(test.generatedTokens, 1), depth: test.depth)
        let total = test.depth + (warmsUp ? warmUp.tokenCount : 0) + repetitions * test.tokenCount
        var before = 0
        let step = { (done: Int) in progress(before + done, total) }
        guard progress(0, total), try run.fill(test.depth, fill, progress: step) else { return nil }
        before = test.depth
        if warmsUp {
            guard try run.time(warmUp, progress: step) != nil else { return nil }
            before += warmUp.tokenCount
        }
        var seconds: [Double] = []
        var cacheBytes = 0
        for _ in 0..<repetitions {
            guard let time = try run.time(test, progress: step) else { return nil }
            seconds.append(time)
            cacheBytes = session.cacheBytes
            before += test.tokenCount
        }
        return BenchmarkResult(
            model: model.name, modelDescription: model.summary, weightBytes: model.weightBytes,
            parameterCount: model.parameterCount, instructionSet: session.instructionSet,
            threadCount: session.threadCount, batchSize: options.batchSize, cacheFormat: options.cacheFormat,
            test: test, fill: fill, seconds: seconds, cacheBytes: cacheBytes,
            peakResidentBytes: MemoryProbe.peakResidentBytes, bytesRead: cost.bytesRead,
            operations: cost.operations, hasBlockWeights: model.mainFormat.blockElements > 1)
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

/// The state of a benchmark between repetitions.
private struct Repetition {
    private let session: Session
    private let batchSize: Int
    private let depth: Int
    private let seed: UInt64
    private let prompt: [Int32]
    private let generated: [Int32]
    private var random: Xoshiro256

    init(_ session: Session, _ test: BenchmarkTest, batchSize: Int, seed: UInt64) {
        self.session = session
        self.batchSize = batchSize
        self.seed = seed
        depth = test.depth
        random = Xoshiro256(seed: seed)
        prompt = Self.tokens(test.promptTokens, session, &random)
        generated = Self.tokens(test.generatedTokens, session, &random)
    }

    private static func tokens(_ count: Int, _ session: Session, _ random: inout Xoshiro256) -> [Int32] {
        let vocabulary = Int32(clamping: session.model.configuration.vocabularySize)
        return (0..<count).map { _ in Int32.random(in: 0..<vocabulary, using: &random) }
    }

    /// Brings `depth` rows into the empty cache.
    mutating func fill(
        _ depth: Int, _ fill: Benchmark.Fill, progress: (Int) -> Bool
    ) throws(SwiftletError) -> Bool {
        switch fill {
        case .random:
            return try session.sequence.appendRandomRows(depth, seed: seed, progress: progress)
        case .prefill:
            let tokens = Self.tokens(depth, session, &random)
            return try session.runner.prefill(
                tokens, session.sequence, chunk: batchSize, phase: .prefill, wanted: .none,
                progress: progress) == depth
        }
    }

    /// Takes back what was done after `depth` rows, then runs a test; `nil` if `progress` ended it.
    func time(_ test: BenchmarkTest, progress: (Int) -> Bool) throws(SwiftletError) -> Double? {
        let sequence = session.sequence
        try sequence.truncate(to: depth)
        let clock = ContinuousClock()
        let start = clock.now
        let tokens = Array(prompt.prefix(test.promptTokens))
        let done = try session.runner.prefill(
            tokens, sequence, chunk: batchSize, phase: .prefill, wanted: .last, progress: progress)
        guard done == tokens.count else { return nil }
        for (index, token) in generated.prefix(test.generatedTokens).enumerated() {
            try session.runner.decode([(sequence, token)]) { _, _ in }
            guard progress(test.promptTokens + index + 1) else { return nil }
        }
        return (clock.now - start).seconds
    }
}

extension KVSequence {
    /// Adds `count` tokens whose keys and values are nearly normal random numbers, the same for one seed.
    fileprivate func appendRandomRows(
        _ count: Int, seed: UInt64, progress: (Int) -> Bool
    ) throws(SwiftletError) -> Bool {
        let step = 64
        var streams = layout.layers.indices.map { RandomWeights(seed: seed, stream: UInt64($0)) }
        var done = 0
        while done < count {
            let size = min(step, count - done)
            let positions = (0..<size).map { Int32(length + $0) }
            for layer in layout.layers.indices where layout.ownsSlot(layer) {
                let shape = layout.layers[layer]
                var keys = [Float](repeating: 0, count: size * shape.kvHeadCount * shape.keySize)
                var values = [Float](repeating: 0, count: size * shape.kvHeadCount * shape.valueSize)
                keys.withUnsafeMutableBufferPointer { streams[layer].fill($0, deviation: 1) }
                values.withUnsafeMutableBufferPointer { streams[layer].fill($0, deviation: 1) }
                try positions.withUnsafeBufferPointer { positions throws(SwiftletError) in
                    try append(layer: layer, keys: keys, values: values, positions: positions)
                }
            }
            advance(by: size)
            done += size
            guard progress(done) else { return false }
        }
        return true
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
