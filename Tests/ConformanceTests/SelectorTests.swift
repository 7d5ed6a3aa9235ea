import SwiftletCache
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import swiftlet_conformance

@Suite struct SelectorTests {
    static let selectors: [any KVSelector] = [
        StreamingSelector(), HeavyHitterSelector(), HeavyHitterSelector(recentShare: 0.25, sinks: 4),
        ObservedAttentionSelector(), SnapKVSelector(window: 8), TOVASelector(), KeyNormSelector(),
        SnapKVSelector(window: 4, kernel: 7, pooling: .maximum), ExpectedAttentionSelector(future: 16),
        RandomSelector(seed: 3),
    ]

    private func kept(_ selector: any KVSelector, _ view: KVLayerView, budget: Int) -> [[Int]] {
        var selector = selector
        let selection = selector.select(from: view, budgets: [budget, budget])
        return [0, 1].map { selection.rows(ofHead: $0) }
    }

    private func scores(_ selector: any KVSelector, _ view: KVLayerView) -> [[Float]] {
        var selector = selector
        return selector.scores(of: view)
    }

    @Test("keeps the forced rows and the best of the others", arguments: 0..<12 as Range<UInt64>)
    func best(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let rows = Int.random(in: 9...40, using: &random)
        let budget = Int.random(in: 1...rows, using: &random)
        let view = try RandomLayer(rows: rows, using: &random).layer.view()
        for selector in Self.selectors {
            let forced = selector.forced(budget: budget, phase: .prefill)
            let scores = scores(selector, view)
            for (head, kept) in kept(selector, view, budget: budget).enumerated() {
                #expect(kept.count == budget)
                #expect(zip(kept, kept.dropFirst()).allSatisfy { $0 < $1 })
                let dropped = (0..<rows).filter { !kept.contains($0) }
                let free = kept.filter { $0 >= forced.oldest && $0 < rows - forced.newest }
                let worst = free.map { scores[head][$0] }.min() ?? .infinity
                #expect(dropped.allSatisfy { scores[head][$0] <= worst }, "\(selector)")
                if budget >= forced.count {
                    #expect(kept.starts(with: 0..<forced.oldest), "\(selector)")
                    #expect(kept.suffix(forced.newest) == Array(rows - forced.newest..<rows)[...])
                }
            }
        }
    }

    @Test("keeps everything while it fits")
    func everything() throws {
        var random = SplitMix64(seed: 1)
        let view = try RandomLayer(rows: 12, using: &random).layer.view()
        for selector in Self.selectors {
            #expect(kept(selector, view, budget: 12) == [Array(0..<12), Array(0..<12)], "\(selector)")
            #expect(kept(selector, view, budget: 99) == [Array(0..<12), Array(0..<12)], "\(selector)")
        }
    }

    @Test("takes a single row, and one query head or many per KV head", arguments: [1, 2, 4])
    func shapes(kvHeads: Int) throws {
        var random = SplitMix64(seed: 5)
        for rows in [1, 2, 5] {
            let view = try RandomLayer(kvHeads: kvHeads, rows: rows, using: &random).layer.view()
            for selector in Self.selectors {
                let scores = scores(selector, view)
                #expect(scores.map(\.count) == Array(repeating: rows, count: kvHeads), "\(selector)")
                #expect(scores.joined().allSatisfy { $0.isFinite }, "\(selector)")
            }
        }
    }

    @Test("column sums do not depend on how the prompt is cut", arguments: [[20], [1, 19], [7, 7, 6]])
    func chunks(chunks: [Int]) throws {
        var random = SplitMix64(seed: 7)
        let recorder = try ColumnSumRecorder(
            queries: RandomLayer.list(4, 20, 8, using: &random),
            keys: RandomLayer.list(2, 20, 8, using: &random))
        let whole = try recorder.view(chunks: [20])
        let cut = try recorder.view(chunks: chunks)
        for head in 0..<4 {
            let sums = cut.columnSums(ofQueryHead: head)
            // Every query hands out attention 1; 20 roundings of at most 2⁻²⁴ each, and as many of weights.
            #expect(abs(sums.reduce(0, +) - 20) < 1e-4)
            for (a, b) in zip(sums, whole.columnSums(ofQueryHead: head)) { #expect(abs(a - b) < 1e-5) }
        }
    }

    @Test("the smoothed score of a row is that of its neighbours")
    func pooling() {
        let scores: [Float] = [1, 0, 0, 6, 0]
        #expect(SnapKVSelector.pool(scores[...], kernel: 3, .average) == [1, 1, 6, 6, 6].map { $0 / 3 })
        #expect(SnapKVSelector.pool(scores[...], kernel: 3, .maximum) == [1, 1, 6, 6, 6])
        #expect(SnapKVSelector.pool(scores[...], kernel: 1, .average) == scores)
        #expect(SnapKVSelector.pool([][...], kernel: 5, .maximum) == [])
        #expect(SnapKVSelector.pool([2], kernel: 5, .average) == [0.4])
    }

    @Test("TOVA keeps the same rows in all heads, and in decode the newest has to compete")
    func tova() throws {
        var random = SplitMix64(seed: 11)
        let layer = try RandomLayer(rows: 30, using: &random).layer
        let prompt = kept(TOVASelector(), layer.view(), budget: 10)
        #expect(prompt[0] == prompt[1] && prompt[0].last == 29)
        #expect(TOVASelector().forced(budget: 10, phase: .decode).count == 0)
        #expect(TOVASelector().forced(budget: 10, phase: .laterTurn).newest == 1)
    }

    @Test("random rows repeat with the seed and keep their rank when others leave")
    func control() throws {
        var random = SplitMix64(seed: 13)
        var layer = try RandomLayer(rows: 40, using: &random).layer
        let twenty = kept(RandomSelector(seed: 1), layer.view(), budget: 20)
        let ten = kept(RandomSelector(seed: 1), layer.view(), budget: 10)
        #expect(twenty[0] != twenty[1] && twenty != kept(RandomSelector(seed: 2), layer.view(), budget: 20))
        try layer.keep(.perHead(twenty))
        try layer.keep(.perHead(kept(RandomSelector(seed: 1), layer.view(), budget: 10)))
        #expect(layer.positions.map { $0.map(Int.init) } == ten)
    }

    @Test("a key that is rotated again by nothing stays, by two distances as by their sum")
    func rotation() {
        var random = SplitMix64(seed: 17)
        let rope = Rope(base: 10_000, rotatedSize: 8)
        let key = random.floats(8, in: -1...1)
        var (still, once, twice) = (key, key, key)
        rope.turn(&still, by: 0)
        rope.turn(&once, by: -12)
        rope.turn(&twice, by: -7)
        rope.turn(&twice, by: -5)
        #expect(still == key)
        #expect(zip(once, twice).allSatisfy { abs($0 - $1) < 1e-6 })
    }
}
