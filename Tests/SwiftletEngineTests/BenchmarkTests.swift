import SwiftletCache
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite("Benchmark")
struct BenchmarkTests {
    private func model() throws -> Model { try Model.load(nil, needsTokenizer: false) }

    @Test("names tests as llama-bench does")
    func names() {
        #expect(BenchmarkTest(promptTokens: 512).name == "pp512")
        #expect(BenchmarkTest(generatedTokens: 128, depth: 8_192).name == "tg128 @ d8192")
        #expect(BenchmarkTest(promptTokens: 8, generatedTokens: 4).name == "pp8+tg4")
    }

    @Test("averages few and many numbers")
    func statistics() {
        #expect(Statistics.mean([]) == 0 && Statistics.median([]) == 0)
        #expect(Statistics.deviation([3]) == 0 && Statistics.median([3]) == 3)
        #expect(Statistics.mean([1, 2, 6]) == 3 && Statistics.median([6, 1, 2]) == 2)
        #expect(Statistics.median([4, 1, 3, 2]) == 2.5)
        #expect(Statistics.deviation([1, 3]) == 2.0.squareRoot())
    }

    @Test("measures every kind of test", arguments: Benchmark.Fill.allCases, [0, 70])
    func measures(fill: Benchmark.Fill, depth: Int) throws {
        let model = try model()
        let tests = [
            BenchmarkTest(promptTokens: 9, depth: depth), BenchmarkTest(generatedTokens: 3, depth: depth),
            BenchmarkTest(promptTokens: 5, generatedTokens: 2, depth: depth),
        ]
        for test in tests {
            var benchmark = Benchmark(test: test)
            benchmark.fill = fill
            benchmark.repetitions = 2
            benchmark.options.batchSize = 4
            benchmark.options.cacheFormat = .f32
            var last = (done: -1, total: 0)
            let result = try #require(
                try benchmark.run(model) { done, total in
                    #expect(done >= last.done && done <= total)
                    last = (done, total)
                    return true
                })
            #expect(last.done == last.total)
            #expect(result.seconds.count == 2 && result.medianRate > 0 && result.meanRate > 0)
            let rows = depth + test.tokenCount
            let cost = BenchmarkCost(model.network, .f32)
            #expect(result.cache.bytes >= Int(cost.cacheBytesPerToken) * rows)
            #expect(result.weightBytes == model.weightBytes)
            #expect(result.operations > 2 * Double(test.tokenCount))
            #expect(result.modelDescription.hasPrefix("llama 3.6M f16"))
        }
    }

    @Test(
        "compares policies with the full cache",
        arguments: [
            ("snapkv:window=8", Benchmark.Fill.random), ("h2o", .random), ("expected", .prefill),
            ("pyramidinfer:min=2,sinks=1", .random), ("f32", .random),
        ])
    func compares(specification: String, fill: Benchmark.Fill) throws {
        let model = try model()
        let policy = try model.policy(specification, budget: "75%")
        let tests = [BenchmarkTest(promptTokens: 30), BenchmarkTest(generatedTokens: 2, depth: 150)]
        for test in tests {
            var full = Benchmark(test: test)
            (full.fill, full.repetitions, full.warmsUp) = (fill, 2, false)
            var compressed = full
            compressed.options.policy = policy
            var last = (done: 0, total: 1)
            let results = try #require(
                try Benchmark.compare([full, compressed], model) { done, total in
                    last = (done, total)
                    return true
                })
            #expect(last.done == last.total && results.count == 2 && results[0].comparison == nil)
            let rows = test.promptTokens + test.depth
            let comparison = try #require(results[1].comparison)
            #expect(comparison.speedup > 0)
            #expect(results[0].cache.meanRows == Double(rows + test.generatedTokens))
            guard policy.evicts else {
                #expect(results[1].cacheBytesRead == 2 * results[0].cacheBytesRead)
                continue
            }
            #expect(results[1].cache.meanRows <= 0.75 * Double(rows) + 4)
            let share = results[1].cacheBytesRead / results[0].cacheBytesRead
            if test.depth > 0 { #expect(share > 0.5 && share < 0.85, "\(share)") }
            let bound = try #require(comparison.bound)
            let drops = test.depth > 0 || policy.hiddenRows != nil
            #expect(drops ? bound > 1 : bound == 1)
        }
    }

    @Test("fills again where a prompt drops what was cached", arguments: [false, true])
    func refills(warmsUp: Bool) throws {
        let model = try model()
        var benchmark = Benchmark(test: BenchmarkTest(promptTokens: 10, generatedTokens: 1, depth: 150))
        (benchmark.fill, benchmark.repetitions, benchmark.warmsUp) = (.random, 2, warmsUp)
        benchmark.options.policy = try model.policy("h2o", budget: "40")
        var last = (done: 0, total: 1)
        let results = try #require(
            try Benchmark.compare([benchmark, benchmark], model) { done, total in
                last = (done, total)
                return true
            })
        #expect(last.done == last.total)
        #expect(results[1].cache.meanRows == 40 && results[0].bytesRead == results[1].bytesRead)
        #expect(results[1].comparison?.bound == nil)
    }

    @Test("counts what one token reads and computes")
    func cost() throws {
        let model = try model()
        let c = model.configuration
        var cost = BenchmarkCost(model.network, .f16)
        let row = KVRead(rows: 100 * c.kvHeadCount, bytes: 100 * c.kvHeadCount * c.headSize * 2 * 2)
        cost.addGenerated(reads: Array(repeating: row, count: c.layerCount))
        let embedding = c.vocabularySize * c.hiddenSize
        let cached = c.layerCount * c.kvHeadCount * c.headSize * 2 * 2
        #expect(cost.cacheBytesPerToken == Double(cached))
        // The embedding is the output matrix, too: one row is read as such, then all of it.
        #expect(cost.bytesRead == Double(model.weightBytes + 2 * c.hiddenSize + 100 * cached))
        let matrices = model.network.weights.filter { $0.tensor.shape.count > 1 }
        let numbers = matrices.reduce(0) { $0 + $1.tensor.elementCount }
        #expect(embedding < numbers)
        let attention = 4 * c.layerCount * c.headCount * c.headSize * 100
        #expect(cost.operations == Double(2 * numbers + attention))
    }

    @Test("counts the rows that a window shows", arguments: 0..<60 as Range<Int>)
    func pairs(seed: Int) {
        let (start, count, window) = (seed % 7, seed / 7 % 5, seed % 11 + 1)
        let expected = (start..<start + count).reduce(0) { $0 + min($1 + 1, window) }
        #expect(
            BenchmarkCost.visiblePairs(from: start, to: start + count, window: window) == Double(expected))
    }

    @Test("ends where it is asked to", arguments: Benchmark.Fill.allCases, [0, 3, 6, 8, 10, 12])
    func cancels(fill: Benchmark.Fill, at tokens: Int) throws {
        var benchmark = Benchmark(test: BenchmarkTest(promptTokens: 4, generatedTokens: 4, depth: 4))
        benchmark.fill = fill
        benchmark.options.batchSize = 2
        #expect(try benchmark.run(model()) { done, _ in done < tokens } == nil)
    }

    @Test("refuses numbers out of range")
    func refusals() throws {
        let model = try model()
        for test in [
            BenchmarkTest(), BenchmarkTest(depth: 5), BenchmarkTest(promptTokens: -1, generatedTokens: 2),
            BenchmarkTest(promptTokens: 1, depth: -1), BenchmarkTest(promptTokens: Int.max),
        ] {
            #expect(throws: SwiftletError.self) { try Benchmark(test: test).run(model) }
        }
        var benchmark = Benchmark(test: BenchmarkTest(promptTokens: 1))
        benchmark.repetitions = 0
        #expect(throws: SwiftletError.self) { try benchmark.run(model) }
    }

    @Test("measures a ceiling", arguments: [1, 2])
    func ceiling(threads: Int) throws {
        var effort = Ceiling.Effort()
        effort.byteCount = 1 << 20
        effort.seconds = 0
        let ceiling = try #require(try Ceiling.measure(threadCount: threads, effort: effort))
        #expect(ceiling.threadCount == threads)
        #expect(ceiling.readBandwidthOfOneThread > 0 && ceiling.readBandwidth > 0)
        #expect(ceiling.floatProductRate > 0 && ceiling.blockProductRate > 0)
        #expect(try Ceiling.measure(threadCount: threads, effort: effort) { $0 < 2 } == nil)
        #expect(throws: SwiftletError.self) { try Ceiling.measure(threadCount: 0) }
    }
}
