import SwiftletCache
import SwiftletTestSupport
import Testing

@testable import swiftlet_conformance

@Suite struct MergerTests {
    private let kept = [Array(0..<4) + Array(16..<20), Array(0..<4) + Array(16..<20)]
    private let evicted = [Array(4..<16), Array(4..<16)]

    private func layer(_ seed: UInt64, values: Float? = nil) throws -> EngineLayer {
        var random = SplitMix64(seed: seed)
        let layer = try RandomLayer(rows: 20, using: &random).layer
        guard let values else { return layer }
        return try EngineLayer(
            headCount: 4, keys: layer.keys, values: layer.values.map { $0.map { $0.map { _ in values } } })
    }

    @Test("a threshold out of reach merges nothing, one below all merges everything")
    func thresholds() throws {
        for mode in CompensationMerger.Mode.allCases {
            var strict = CompensationMerger(mode: mode)
            strict.thresholds = mode == .paper ? [.infinity, .infinity] : [.infinity]
            let rewrites = strict.merge(in: try layer(1).view(), kept: kept, evicted: evicted)
            #expect(rewrites == [[], []])
            var lenient = CompensationMerger(mode: mode)
            lenient.thresholds = mode == .paper ? [-1e9, -1e9] : [-1e9]
            let plan = lenient.plan(in: try layer(1).view(), kept: kept, evicted: evicted)
            #expect(plan.merged.joined().allSatisfy { $0 })
            for rewrite in lenient.rewrites(plan).joined() {
                #expect((rewrite.key + rewrite.value).allSatisfy { $0.isFinite })
            }
        }
    }

    @Test("the first threshold is the mean similarity, later ones move towards it")
    func movingThreshold() throws {
        var merger = CompensationMerger(beta: 0.25)
        let first = merger.plan(in: try layer(2).view(), kept: kept, evicted: evicted)
        let means = first.heads.map { $0.similarity.reduce(0) { $0 + Double($1) } / 12 }
        #expect(zip(merger.thresholds, means).allSatisfy { abs(($0 ?? 9) - $1) < 1e-9 })
        let second = merger.plan(in: try layer(3).view(), kept: kept, evicted: evicted)
        for head in [0, 1] {
            let mean = second.heads[head].similarity.reduce(0) { $0 + Double($1) } / 12
            #expect(abs((merger.thresholds[head] ?? 9) - (0.75 * means[head] + 0.25 * mean)) < 1e-9)
        }
        let held = merger.thresholds
        _ = merger.plan(in: try layer(4).view(), kept: kept, evicted: [[], []])
        #expect(merger.thresholds == held, "nothing left, nothing moves")
    }

    @Test("weights of the paper's rule sum to 1: equal values stay")
    func equalValues() throws {
        var merger = CompensationMerger()
        let rewrites = try merger.merge(in: layer(5, values: 0.75).view(), kept: kept, evicted: evicted)
        #expect(!rewrites.joined().isEmpty)
        #expect(rewrites.joined().allSatisfy { $0.value.allSatisfy { abs($0 - 0.75) < 1e-6 } })
    }

    @Test("a copy of a kept row changes nothing, and its similarity is 1")
    func copies() throws {
        var random = SplitMix64(seed: 6)
        var (keys, values) = (
            RandomLayer.list(1, 6, 8, using: &random), RandomLayer.list(1, 6, 8, using: &random)
        )
        (keys[0][5], values[0][5]) = (keys[0][2], values[0][2])
        let layer = try EngineLayer(keys: keys, values: values)
        var merger = CompensationMerger()
        let plan = merger.plan(in: layer.view(), kept: [Array(0..<5)], evicted: [[5]])
        #expect(plan.heads[0].nearest == [2] && abs(plan.heads[0].similarity[0] - 1) < 1e-6)
        let rewrite = try #require(merger.rewrites(plan)[0].first)
        #expect(zip(rewrite.key, keys[0][2]).allSatisfy { abs($0 - $1) < 1e-6 })
        #expect(zip(rewrite.value, values[0][2]).allSatisfy { abs($0 - $1) < 1e-6 })
    }

    @Test("keys can be left alone; keys without length resemble nothing")
    func options() throws {
        var values = CompensationMerger(mergesKeys: false)
        let source = try layer(8)
        for (head, rewrites) in values.merge(in: source.view(), kept: kept, evicted: evicted).enumerated() {
            #expect(rewrites.allSatisfy { $0.key == source.keys[head][$0.row] })
        }
        let zero = try EngineLayer(keys: [[[0, 0], [1, 0], [0, 0]]])
        var merger = CompensationMerger()
        let plan = merger.plan(in: zero.view(), kept: [[0, 1]], evicted: [[2]])
        #expect(plan.heads[0].similarity == [0] && plan.heads[0].nearest == [0])
    }

    @Test(
        "one merged row leaves its target between half and 88 % of itself",
        arguments: [-1, 0, 0.5, 1] as [Float])
    func weight(cosine: Float) throws {
        let key: [Float] = [cosine, (1 - cosine * cosine).squareRoot()]
        let layer = try EngineLayer(keys: [[[1, 0], key]], values: [[[1, 1], [0, 0]]])
        var merger = CompensationMerger()
        let rewrite = try #require(merger.merge(in: layer.view(), kept: [[0]], evicted: [[1]])[0].first)
        #expect((0.4999...0.8809).contains(rewrite.value[0]))
    }
}
