import SwiftletCache
import SwiftletModels
import SwiftletTensor

/// One benchmark while it runs: a session, its tokens, and what repetitions have shown so far.
final class BenchmarkRun {
    /// Calls with the tokens done since the last call; answers whether to go on.
    typealias Step = (Int) -> Bool

    let benchmark: Benchmark
    private let session: Session
    private let emptyCost: BenchmarkCost
    private let prompt: [Int32]
    private let generated: [Int32]
    private var random: Xoshiro256
    private(set) var seconds: [Double] = []
    private var cost: BenchmarkCost
    /// Rows that went through each layer during a prompt.
    private var layerRows: [Int]

    private var test: BenchmarkTest { benchmark.test }
    private var sequence: KVSequence { session.sequence }

    init(_ benchmark: Benchmark, _ model: Model) throws(SwiftletError) {
        self.benchmark = benchmark
        var options = benchmark.options
        let test = benchmark.test
        options.contextLength = min(test.depth + (benchmark.repetitions + 1) * test.tokenCount, 1 << 30)
        session = try Session(model, options)
        emptyCost = BenchmarkCost(
            model.network, session.sequence.format, owners: session.sequence.layout.owners)
        cost = emptyCost
        layerRows = Array(repeating: 0, count: model.configuration.layerCount)
        random = Xoshiro256(seed: benchmark.seed)
        prompt = Self.tokens(test.promptTokens, model, &random)
        generated = Self.tokens(test.generatedTokens, model, &random)
        session.runner.afterLayer = { [weak self] layer, x in self?.layerRows[layer] += x.rows }
    }

    private static func tokens(_ count: Int, _ model: Model, _ random: inout Xoshiro256) -> [Int32] {
        let vocabulary = Int32(clamping: model.configuration.vocabularySize)
        return (0..<count).map { _ in Int32.random(in: 0..<vocabulary, using: &random) }
    }

    // MARK: Work

    /// Tokens that all calls process together.
    var work: Int {
        let fills = 1 + (fillsAgain ? benchmark.repetitions - (benchmark.warmsUp ? 0 : 1) : 0)
        return fills * test.depth + (benchmark.warmsUp ? warmUp.tokenCount : 0)
            + benchmark.repetitions * test.tokenCount
    }

    private var warmUp: BenchmarkTest {
        BenchmarkTest(
            promptTokens: test.promptTokens, generatedTokens: min(test.generatedTokens, 1), depth: test.depth)
    }

    /// Whether what is cached before a test has to be made again, because a prompt after it drops some of it.
    private var fillsAgain: Bool {
        test.depth > 0 && test.promptTokens > 0 && benchmark.options.policy.evicts
    }

    /// Fills the cache and warms up; false if `step` ended it.
    func prepare(_ step: Step) throws(SwiftletError) -> Bool {
        try MemoryProbe.check(
            need: Int(emptyCost.cacheBytesPerToken * Double(test.depth + test.tokenCount)),
            available: MemoryProbe.availableBytes,
            purpose: "a cache of \(test.depth + test.tokenCount) tokens")
        guard try fill(step) else { return false }
        guard benchmark.warmsUp else { return true }
        return try time(warmUp, step) != nil
    }

    /// Brings the cache to where the test begins, and measures; false if `step` ended it.
    func repeatOnce(_ step: Step) throws(SwiftletError) -> Bool {
        guard try restore(step), let time = try time(test, step) else { return false }
        seconds.append(time)
        return true
    }

    /// Takes back what was done after the depth. A policy that drops rows while it generates goes on instead: what
    /// it holds is the same after every token.
    private func restore(_ step: Step) throws(SwiftletError) -> Bool {
        if fillsAgain {
            guard sequence.length != test.depth else { return true }
            try sequence.truncate(to: 0)
            return try fill(step)
        }
        guard sequence.canTruncate(to: test.depth) else {
            try sequence.truncate(to: 0)
            return try fill(step)
        }
        if test.depth == 0 || !sequence.dropsRowsInDecode { try sequence.truncate(to: test.depth) }
        return true
    }

    /// Brings the rows of the depth into the empty cache.
    private func fill(_ step: Step) throws(SwiftletError) -> Bool {
        guard test.depth > 0 else { return true }
        switch benchmark.fill {
        case .random:
            let policy = benchmark.options.policy
            let readsTail = policy.evicts && policy.hiddenRows == nil
            let tail = readsTail ? min(test.depth, Benchmark.randomFillTail) : 0
            guard
                try sequence.appendRandomRows(
                    test.depth - tail, of: test.depth, seed: benchmark.seed, compute: session.runner.compute,
                    progress: step)
            else { return false }
            if tail == 0 {
                try sequence.learnPrompt(session.runner.compute)
                try sequence.ageRows(session.runner.compute)
            }
            return try read(Self.tokens(tail, session.model, &random), phase: .prefill, .none, step)
        case .prefill:
            return try read(Self.tokens(test.depth, session.model, &random), phase: .prefill, .none, step)
        }
    }

    /// Processes a prompt; false if `step` ended it.
    private func read(
        _ tokens: [Int32], phase: KVPhase, _ wanted: Runner.Wanted, _ step: Step
    ) throws(SwiftletError) -> Bool {
        var before = 0
        let done = try session.runner.prefill(
            tokens, sequence, chunk: benchmark.options.batchSize, phase: phase, wanted: wanted,
            progress: { done in
                defer { before = done }
                return step(done - before)
            })
        return done == tokens.count
    }

    /// Runs a test and counts what it costs; `nil` if `step` ended it.
    private func time(_ test: BenchmarkTest, _ step: Step) throws(SwiftletError) -> Double? {
        var cost = emptyCost
        let held = cachedRows
        for layer in layerRows.indices { layerRows[layer] = 0 }
        let clock = ContinuousClock()
        let start = clock.now
        let phase: KVPhase = test.depth > 0 ? .laterTurn : .prefill
        guard try read(Array(prompt.prefix(test.promptTokens)), phase: phase, .last, step) else { return nil }
        cost.add(
            promptTokens: test.promptTokens, layerRows: layerRows, after: held,
            batchSize: benchmark.options.batchSize)
        for token in generated.prefix(test.generatedTokens) {
            try session.runner.decode([(sequence, token)]) { _, _ in }
            cost.addGenerated(reads: sequence.reads)
            guard step(1) else { return nil }
        }
        let time = (clock.now - start).seconds
        if test == self.test { self.cost.add(cost) }
        return time
    }

    /// Rows of each layer's cache, on average over its heads.
    private var cachedRows: [Int] {
        sequence.layout.layers.enumerated().map { layer, shape in
            let rows = (0..<shape.kvHeadCount).reduce(0) { $0 + sequence.rowCount(layer: layer, head: $1) }
            return rows / shape.kvHeadCount
        }
    }

    // MARK: Result

    /// What the repetitions showed.
    func result(comparedTo reference: BenchmarkResult?) -> BenchmarkResult {
        let model = session.model
        let count = Double(max(seconds.count, 1))
        var result = BenchmarkResult(
            model: model.name, modelDescription: model.summary, weightBytes: model.weightBytes,
            parameterCount: model.parameterCount, instructionSet: session.instructionSet,
            threadCount: session.threadCount, batchSize: benchmark.options.batchSize,
            cacheFormat: sequence.format, policy: benchmark.options.policy, test: test, fill: benchmark.fill,
            seconds: seconds, cache: cacheUse, peakResidentBytes: MemoryProbe.peakResidentBytes,
            bytesRead: cost.bytesRead / count, cacheBytesRead: cost.cacheBytesRead / count,
            operations: cost.operations / count, hasBlockWeights: model.mainFormat.blockElements > 1)
        result.comparison = reference.map { BenchmarkComparison(of: result, with: $0) }
        return result
    }

    private var cacheUse: BenchmarkResult.CacheUse {
        BenchmarkResult.CacheUse(
            bytes: session.cacheBytes, peakBytes: session.peakCacheBytes,
            residentBytes: sequence.pool.residentBytes, meanRows: sequence.meanRowCount)
    }
}

extension KVSequence {
    /// Stands in for the first `count` of `promptLength` tokens: keys, values and the evidence that the policy
    /// wants are random, the same for one seed. Rows of the residual stream that the policy would drop leave.
    fileprivate func appendRandomRows(
        _ count: Int, of promptLength: Int, seed: UInt64, compute: Compute, progress: (Int) -> Bool
    ) throws(SwiftletError) -> Bool {
        guard count > 0 else { return true }
        _ = try beginPrompt(promptLength)
        var positions = (0..<count).map { Int32($0) }
        var done = 0
        for layer in layout.layers.indices {
            var stream = RandomWeights(seed: seed, stream: UInt64(layer))
            let normals = { (numbers: inout [Float]) in
                numbers.withUnsafeMutableBufferPointer { stream.fill($0, deviation: 1) }
            }
            if layout.ownsSlot(layer) {
                try appendRandomRows(positions, layer: layer, normals: normals)
                substituteEvidence(layer: layer, positions: positions, normals: normals)
            }
            if let kept = hiddenRows(after: layer, positions: positions) {
                positions = kept.map { positions[$0] }
            }
            let now = count * (layer + 1) / layout.layers.count
            guard progress(now - done) else { return false }
            done = now
        }
        advance(by: count)
        if count == promptLength { try finishPrompt(phase: .prefill, compute: compute) }
        return true
    }

    private func appendRandomRows(
        _ positions: [Int32], layer: Int, normals: (inout [Float]) -> Void
    ) throws(SwiftletError) {
        let shape = layout.layers[layer]
        let step = 64
        for first in stride(from: 0, to: positions.count, by: step) {
            let some = positions[first..<min(first + step, positions.count)]
            var keys = [Float](repeating: 0, count: some.count * shape.kvHeadCount * shape.keySize)
            var values = [Float](repeating: 0, count: some.count * shape.kvHeadCount * shape.valueSize)
            normals(&keys)
            normals(&values)
            try some.withUnsafeBufferPointer { some throws(SwiftletError) in
                guard shape.content != .state else {
                    return try append(states: keys, layer: layer, positions: some, phase: .prefill)
                }
                try append(layer: layer, keys: keys, values: values, positions: some)
            }
        }
    }
}
