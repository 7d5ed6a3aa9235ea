import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Policies leave layers with a window alone")
struct WindowPolicyTests {
    private struct Profiles: KVProfileReader {
        let layers: [KVLayerShape]

        func sharingMap(at path: String) throws(SwiftletError) -> [Int] { Array(layers.indices) }

        func headRanks(at path: String) throws(SwiftletError) -> [[Double]] {
            layers.enumerated().map { layer, shape in
                (0..<shape.headCount).map { Double($0) / 8 - Double(layer) }
            }
        }
    }

    /// Layers with windows of 8 beside others, and with states of convolutions.
    static let models = ["qwen2-sliding", "gemma2", "gemma3", "cohere2", "lfm2"]
    static let specifications =
        PolicyMatrixTests.specifications + [
            "snapkv:window=4+q8_0", "d2o+rotate",
        ]
    private static let rows = 12

    private func sequence(
        _ bench: Bench, _ text: String, _ budget: KVBudget?, format: KVFormat = .f32
    ) throws -> KVSequence {
        let layers = bench.model.cacheLayers
        let policy = try KVPolicy(
            parsing: text, budget: budget, layers: layers, profiles: Profiles(layers: layers))
        var format = policy.format ?? format
        // Heads of these models do not fill blocks.
        if format.key == .q8_0 { format = .f16 }
        if policy.rotates { format.isRotated = true }
        return try bench.sequence(format: format, policy: policy, owners: policy.owners)
    }

    /// Models that a policy applies to: profiles of heads need heads in every layer.
    private func models(_ text: String) -> [String] {
        text.hasPrefix("uncomp") ? Self.models.filter { $0 != "lfm2" } : Self.models
    }

    private func window(_ sequence: KVSequence) -> [[Int32]] {
        sequence.layout.storingLayers.filter { sequence.layout.layers[$0].isWindowed }
            .map { sequence.positions(layer: $0, head: 0) }
    }

    @Test("a budget that covers every row gives the bits of the full cache", arguments: specifications)
    func unreached(text: String) throws {
        for path in models(text) {
            let bench = try Bench(path)
            let ids = SeamModels.prompt(24), next = SeamModels.prompt(6, seed: 2)
            let full = try bench.sequence(format: sequence(bench, text, .share(1)).format)
            let expected = try bench.logits(ids, full) + bench.decodeEach(next, full)
            for budget in [KVBudget.share(1), .rows(30)] {
                let found = try sequence(bench, text, budget)
                let bits = try bench.logits(ids, found) + bench.decodeEach(next, found)
                #expect(bits == expected, "\(path) \(budget)")
            }
        }
    }

    @Test(
        "other layers keep to their budgets, windows are those of the full cache", arguments: specifications)
    func bounded(text: String) throws {
        for path in models(text) {
            let bench = try Bench(path)
            let (found, full) = (try sequence(bench, text, .rows(Self.rows)), try bench.sequence())
            let ids = SeamModels.prompt(300)
            _ = try bench.logits(ids, found, chunk: 64)
            _ = try bench.logits(ids, full)
            for step in 0..<12 {
                #expect(window(found) == window(full), "\(path), step \(step)")
                var kept = 0
                for layer in found.layout.policyLayers {
                    let heads = found.layout.layers[layer].kvHeadCount
                    let rows = (0..<heads).reduce(0) { $0 + found.rowCount(layer: layer, head: $1) }
                    #expect(rows <= (found.budgets[layer] ?? 0) * heads, "\(path), step \(step)")
                    kept += rows
                }
                let heads = found.layout.policyLayers.reduce(0) { $0 + found.layout.layers[$1].kvHeadCount }
                if step == 0 { #expect(kept == Self.rows * heads, "\(path)") }
                #expect(found.budgets.count { $0 != nil } == found.layout.policyLayers.count)
                #expect(try bench.decode([(found, Int32(step))])[0].allSatisfy(\.isFinite))
                _ = try bench.decode([(full, Int32(step))])
            }
        }
    }

    @Test("chunks, threads, batches and snapshots change nothing", arguments: specifications)
    func independent(text: String) throws {
        for path in models(text).filter({ ["gemma3", "lfm2"].contains($0) }) {
            let (bench, threaded) = (try Bench(path), try Bench(path, threads: 3))
            let ids = SeamModels.prompt(90), next = SeamModels.prompt(8, seed: 3)
            let whole = try sequence(bench, text, .rows(Self.rows))
            let first = try bench.logits(ids, whole)
            var parts: [[UInt8]] = []
            try whole.snapshot { parts.append($0) }
            let later = try bench.decodeEach(next, whole)
            let cut = try sequence(bench, text, .rows(Self.rows))
            #expect(try bench.logits(ids, cut, chunk: 7) + bench.decodeEach(next, cut) == first + later)
            #expect(contents(cut) == contents(whole))
            let other = try sequence(threaded, text, .rows(Self.rows))
            let found = try threaded.logits(ids, other, chunk: 16) + threaded.decodeEach(next, other)
            #expect(found == first + later)
            let restored = try sequence(bench, text, .rows(Self.rows))
            var left = parts[...]
            try restored.restore(length: ids.count, keeping: ids.count) { left.removeFirst() }
            #expect(try bench.decodeEach(next, restored) == later)
            let (mine, beside) = (
                try sequence(bench, text, .rows(Self.rows)), try sequence(bench, text, .share(0.5))
            )
            _ = try bench.logits(ids, mine)
            _ = try bench.logits(SeamModels.prompt(47, seed: 9), beside)
            for (index, id) in next.enumerated() {
                #expect(try bench.decode([(beside, 1), (mine, id)])[1] == later[index])
            }
        }
    }

    @Test(
        "bytes bound windows and other rows together, and are foretold",
        arguments: ["snapkv:window=4", "h2o", "streaming+slots", "zigzag:queries=4+h2o"])
    func bytes(text: String) throws {
        for path in ["gemma3", "lfm2"] {
            let bench = try Bench(path)
            let full = try bench.sequence(format: .f16)
            _ = try bench.logits(SeamModels.prompt(700), full, chunk: 64)
            let budget = full.heldBytes
            let found = try sequence(bench, text, .bytes(budget), format: .f16)
            let forecast = try found.forecast(reading: 900, chunk: 64)
            let most = try found.mostBytes(reading: 900, generating: 100, chunk: 64)
            _ = try bench.logits(SeamModels.prompt(900), found, chunk: 64)
            #expect(found.heldBytes <= budget && found.heldBytes > budget / 4, "\(path)")
            #expect(found.peakBytes <= most, "\(path)")
            let slack = found.states.count * 2 * KVHead.positionSlack
            if text.hasPrefix("streaming") {  // which records nothing
                #expect(abs(found.heldBytes - forecast.heldBytes) <= slack, "\(path)")
                #expect(found.peakBytes <= forecast.peakBytes + slack, "\(path)")
            }
            for step in 0..<100 {
                _ = try bench.decode([(found, Int32(step))])
                #expect(found.heldBytes <= budget, "\(path), step \(step)")
            }
            #expect(found.peakBytes <= most, "\(path)")
        }
    }

    @Test("what needs all layers is refused by name")
    func refused() throws {
        func refusal(_ path: String, _ text: String) throws -> String {
            let bench = try Bench(path)
            let error = #expect(throws: SwiftletError.self) {
                _ = try sequence(bench, text, text.hasPrefix("pyramidinfer") ? nil : .rows(12))
            }
            return error?.message ?? ""
        }
        #expect(try refusal("mistral-sliding", "h2o").contains("layer 0 has a sliding window of 8 tokens"))
        for text in PolicyMatrixTests.stages.filter({ !$0.hasPrefix("uncomp") }) {
            #expect(try refusal("gemma3", text).contains("layer 0 needs the last 8"))
        }
        #expect(try refusal("gemma3", PolicyMatrixTests.stages[1]).contains("between layers"))
        #expect(try refusal("lfm2", "uncomp:ranks").contains("layer 0 has none"))
    }
}
