import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Every cache policy on every architecture")
struct PolicyMatrixTests {
    private struct Profiles: KVProfileReader {
        let ranks: [[Double]]

        /// Ranks that rise over the heads and fall from layer to layer.
        init(layers: [KVLayerShape]) {
            ranks = layers.enumerated().map { layer, shape in
                (0..<shape.headCount).map { Double($0) / 8 - Double(layer) }
            }
        }

        func sharingMap(at path: String) throws(SwiftletError) -> [Int] { [0, 0] }
        func headRanks(at path: String) throws(SwiftletError) -> [[Double]] { ranks }
    }

    static let specifications = [
        "streaming", "h2o", "observed", "snapkv:window=4", "tova", "knorm", "expected", "random:seed=7",
        "pyramidkv:window=4", "zigzagkv:window=4,queries=4", "zigzag:queries=4+h2o", "d2o",
        "variance+snapkv:window=4,pooling=max", "adakv+snapkv:window=4", "adakv:alpha=0+h2o",
        "adakv+zigzag:queries=4+expected", "h2o+merge:mode=reference", "streaming+slots", "h2o+slots",
        "snapkv:window=4,decode=every", "tova:decode=3", "kvsharer:map+h2o",
        "uncomp:ranks,window=3,kernel=3",
    ]
    /// Methods that drop rows of the residual stream, whose caches a share bounds on average over the layers.
    static let stages = [
        "pyramidinfer:min=2,recent=0.1,sinks=1", "uncomp:ranks,window=3,kernel=3,stage=true,step=8,min=6",
    ]
    static let models = ["llama-mha", "llama-gqa", "llama3-rope", "mistral", "qwen2", "qwen3"]

    private func sequence(_ bench: Bench, _ text: String, _ budget: KVBudget?) throws -> KVSequence {
        let policy = try KVPolicy(
            parsing: text, budget: budget, layers: bench.model.cacheLayers,
            profiles: Profiles(layers: bench.model.cacheLayers))
        return try bench.sequence(policy: policy, owners: policy.owners)
    }

    @Test(
        "a budget that covers every row gives the bits of the full cache", arguments: specifications + stages)
    func unreached(text: String) throws {
        for path in Self.models {
            let bench = try Bench(path)
            let ids = SeamModels.prompt(24), next = SeamModels.prompt(6, seed: 2)
            let owners = text.hasPrefix("kvsharer") ? [0, 0] : nil
            let full = try bench.sequence(owners: owners)
            let expected = try bench.logits(ids, full) + bench.decodeEach(next, full)
            for budget in text.hasPrefix("pyramidinfer") || text.contains("stage")
                ? [.share(1)] : [KVBudget.share(1), .rows(30)]
            {
                let found = try sequence(bench, text, budget)
                let bits = try bench.logits(ids, found) + bench.decodeEach(next, found)
                #expect(bits == expected, "\(path) \(budget)")
            }
        }
    }

    @Test("prompt and generation keep to the bound, positions ascend", arguments: specifications)
    func bounded(text: String) throws {
        for path in Self.models {
            let bench = try Bench(path)
            let sequence = try sequence(bench, text, .rows(12))
            _ = try bench.logits(SeamModels.prompt(40), sequence)
            for step in 0..<30 {
                #expect(totals(sequence).allSatisfy { $0.rows <= $0.bound }, "\(path), step \(step)")
                if step == 0 { #expect(rows(sequence) == bound(sequence), "\(path)") }
                for layer in sequence.layout.storingLayers {
                    for head in 0..<sequence.layout.layers[layer].kvHeadCount {
                        let positions = sequence.positions(layer: layer, head: head)
                        #expect(zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 })
                        #expect((positions.last ?? 0) <= Int32(40 + step))
                    }
                }
                let logits = try bench.decode([(sequence, Int32(step))])
                #expect(logits[0].allSatisfy { $0.isFinite })
            }
        }
    }

    /// PyramidInfer lets the first layer's rows through, which is all that two layers have: generated tokens are thinned.
    private static func share(_ text: String) -> KVBudget? { text.hasPrefix("uncomp") ? .share(0.7) : nil }

    @Test("where hidden rows are dropped, layers hold fewer and fewer rows of the prompt", arguments: stages)
    func thinned(text: String) throws {
        for path in Self.models {
            let bench = try Bench(path)
            let sequence = try sequence(bench, text, Self.share(text))
            _ = try bench.logits(SeamModels.prompt(40), sequence)
            #expect(sequence.meanRowCount <= 40 * (text.hasPrefix("uncomp") ? 0.7 : 1))
            for layer in sequence.layout.storingLayers {
                let positions = sequence.positions(layer: layer, head: 0)
                #expect(zip(positions, positions.dropFirst()).allSatisfy { $0 < $1 })
                #expect(positions.last == 39)
            }
            for step in 0..<30 {
                let logits = try bench.decode([(sequence, Int32(step))])
                #expect(logits[0].allSatisfy { $0.isFinite })
            }
            #expect(sequence.positions(layer: 0, head: 0).last == 69)
        }
    }

    @Test("where hidden rows are dropped, chunks and threads change nothing", arguments: stages)
    func independentStages(text: String) throws {
        let (bench, threaded) = (try Bench("llama-gqa"), try Bench("llama-gqa", threads: 3))
        let ids = SeamModels.prompt(40), next = SeamModels.prompt(30, seed: 3)
        let whole = try sequence(bench, text, Self.share(text))
        let expected = try bench.logits(ids, whole).suffix(1) + bench.decodeEach(next, whole)
        let cut = try sequence(bench, text, Self.share(text))
        #expect(try bench.logits(ids, cut, chunk: 7).suffix(1) + bench.decodeEach(next, cut) == expected)
        let other = try sequence(threaded, text, Self.share(text))
        let found = try threaded.logits(ids, other, chunk: 16).suffix(1) + threaded.decodeEach(next, other)
        #expect(found == expected)
    }

    private func rows(_ sequence: KVSequence) -> Int { totals(sequence).reduce(0) { $0 + $1.rows } }

    /// 12 rows for every layer that stores rows, and every head.
    private func bound(_ sequence: KVSequence) -> Int {
        sequence.layout.storingLayers.reduce(0) { $0 + 12 * sequence.layout.layers[$1].kvHeadCount }
    }

    private func totals(_ sequence: KVSequence) -> [(rows: Int, bound: Int)] {
        sequence.layout.storingLayers.map { layer in
            let heads = sequence.layout.layers[layer].kvHeadCount
            let rows = (0..<heads).reduce(0) { $0 + sequence.rowCount(layer: layer, head: $1) }
            return (rows, (sequence.budgets[layer] ?? 0) * heads)
        }
    }

    @Test("chunks, threads and batches change nothing", arguments: specifications)
    func independent(text: String) throws {
        let (bench, threaded) = (try Bench("llama-gqa"), try Bench("llama-gqa", threads: 3))
        let ids = SeamModels.prompt(40), next = SeamModels.prompt(8, seed: 3)
        let whole = try sequence(bench, text, .rows(12))
        let expected = try bench.logits(ids, whole) + bench.decodeEach(next, whole)
        let cut = try sequence(bench, text, .rows(12))
        #expect(try bench.logits(ids, cut, chunk: 7) + bench.decodeEach(next, cut) == expected)
        #expect(contents(cut) == contents(whole))
        let other = try sequence(threaded, text, .rows(12))
        #expect(try threaded.logits(ids, other, chunk: 16) + threaded.decodeEach(next, other) == expected)
        // Beside another sequence of another length.
        let (mine, beside) = (try sequence(bench, text, .rows(12)), try sequence(bench, text, .share(0.5)))
        _ = try bench.logits(ids, mine)
        _ = try bench.logits(SeamModels.prompt(17, seed: 9), beside)
        for (index, id) in next.enumerated() {
            let rows = try bench.decode([(beside, 1), (mine, id)])
            #expect(rows[1] == expected[40 + index])
        }
    }

    @Test("a sliding window is refused by name", arguments: ["h2o", "snapkv", "streaming"])
    func window(text: String) throws {
        let bench = try Bench("mistral-sliding")
        #expect(throws: SwiftletError.self) { _ = try sequence(bench, text, .rows(12)) }
    }
}
