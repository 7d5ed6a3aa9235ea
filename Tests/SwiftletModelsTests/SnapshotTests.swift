import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

/// A sequence that was written as bytes and read back goes on with the same bits.
@Suite("Snapshots of sequences")
struct SnapshotTests {
    /// Shares two layers, and ranks heads by their number.
    private struct Profiles: KVProfileReader {
        let shapes: [KVLayerShape]

        func sharingMap(at path: String) throws(SwiftletError) -> [Int] { [0, 0] }

        func headRanks(at path: String) throws(SwiftletError) -> [[Double]] {
            shapes.map { shape in (0..<shape.headCount).map { Double(10 - $0) } }
        }
    }

    static let specifications =
        PolicyMatrixTests.specifications + [
            "full", "kvsharer:map", "pyramidinfer:min=4,block=4", "uncomp:p,window=4",
            "uncomp:p,window=4,stage=true,step=4,min=8", "expected:sinks=2,decode=every", "d2o+slots",
            "observed:decode=3", "adakv+snapkv:window=4,decode=every",
        ]
    private static let prompt = SeamModels.prompt(40)

    private func sequence(
        _ bench: Bench, _ text: String, _ format: KVFormat = .f32
    ) throws -> KVSequence {
        let budget: KVBudget? = text.hasPrefix("pyramidinfer") ? nil : .rows(12)
        let policy = try KVPolicy(
            parsing: text, budget: budget, layers: bench.model.cacheLayers,
            profiles: Profiles(shapes: bench.model.cacheLayers))
        return try bench.sequence(format: format, policy: policy, owners: policy.owners)
    }

    private func parts(_ sequence: KVSequence) throws -> [[UInt8]] {
        var parts: [[UInt8]] = []
        try sequence.snapshot { parts.append($0) }
        return parts
    }

    private func restore(
        _ sequence: KVSequence, _ parts: [[UInt8]], length: Int, keeping kept: Int? = nil
    ) throws {
        var rest = parts[...]
        try sequence.restore(length: length, keeping: kept ?? length) { () throws(SwiftletError) in
            guard let part = rest.popFirst() else { throw SwiftletError(.missing, "no part is left") }
            return part
        }
    }

    @Test(
        "every policy goes on as before, on every architecture and in every format", arguments: specifications
    )
    func roundTrip(text: String) throws {
        for (path, format) in zip(PolicyMatrixTests.models, [KVFormat.f32, .f16, .f16, .f32, .f16, .f32]) {
            let bench = try Bench(path)
            let original = try sequence(bench, text, format)
            _ = try bench.logits(Self.prompt, original)
            let copy = try sequence(bench, text, format)
            try restore(copy, try parts(original), length: 40)
            #expect(contents(copy) == contents(original), "\(path)")
            let next = SeamModels.prompt(24, seed: 3)
            #expect(try bench.decodeEach(next, copy) == bench.decodeEach(next, original), "\(path)")
            // In the middle of generation, and with another turn.
            let other = try sequence(bench, text, format)
            try restore(other, try parts(copy), length: 64)
            let turn = SeamModels.prompt(9, seed: 4)
            for sequence in [original, other] {
                try bench.runner.prefill(turn, sequence, chunk: 4, phase: .laterTurn, wanted: .none)
            }
            #expect(try bench.decodeEach(next, other) == bench.decodeEach(next, original), "\(path)")
            #expect(contents(other) == contents(original), "\(path)")
            #expect(other.budgets == original.budgets && other.length == original.length)
        }
    }

    @Test("every number format goes on as before", arguments: CacheFormatTests.formats)
    func formats(format: String) throws {
        let bench = try FormatBench()
        for text in [format, "h2o+\(format)", "snapkv:window=4+slots+\(format)"] {
            let budget: KVBudget? = text == format ? nil : .rows(12)
            let (original, copy) = (try bench.sequence(text, budget), try bench.sequence(text, budget))
            _ = try bench.bench.logits(FormatBench.prompt(70), original)
            try restore(copy, try parts(original), length: 70)
            let next = FormatBench.prompt(9, seed: 2)
            #expect(try bench.bench.decodeEach(next, copy) == bench.bench.decodeEach(next, original))
        }
        let other = try bench.sequence(format == "bf16" ? "f16" : "bf16")
        let original = try bench.sequence(format)
        _ = try bench.bench.logits(FormatBench.prompt(5), original)
        expectError(.malformed, "the format of", "expected") {
            try restore(other, try parts(original), length: 5)
        }
    }

    @Test("a full cache is cut to any prefix", arguments: [1, 39, 63, 64, 65, 127, 128, 129])
    func prefix(count: Int) throws {
        let bench = try Bench("llama-gqa")
        let ids = SeamModels.prompt(130), next = SeamModels.prompt(5, seed: 2)
        let long = try bench.sequence(format: .f16)
        _ = try bench.logits(ids, long)
        let cut = try bench.sequence(format: .f16), expected = try bench.sequence(format: .f16)
        try restore(cut, try parts(long), length: 130, keeping: count)
        _ = try bench.logits(Array(ids[..<count]), expected)
        #expect(contents(cut) == contents(expected))
        // The spare capacity of the lists of positions is the allocator's choice.
        #expect(cut.pool.heldBytes == expected.pool.heldBytes)
        #expect(try bench.decodeEach(next, cut) == bench.decodeEach(next, expected))
    }

    @Test("a sliding window is part of a full cache")
    func window() throws {
        let bench = try Bench("mistral-sliding")
        let (original, copy) = (try bench.sequence(), try bench.sequence())
        _ = try bench.logits(Self.prompt, original)
        try restore(copy, try parts(original), length: 40)
        let next = SeamModels.prompt(8, seed: 3)
        #expect(try bench.decodeEach(next, copy) == bench.decodeEach(next, original))
    }

    @Test("a policy that does not say what it remembers is refused by name")
    func opaque() throws {
        let bench = try Bench("llama-gqa")
        var policy = KVPolicy(Scatter(seed: 1), rows: bench.budgets(12))
        policy.specification = "scatter"
        let sequence = try bench.sequence(policy: policy)
        expectError(.unsupported, "--kv-policy 'scatter'", "Scatter does not describe") {
            try sequence.checkSnapshot()
        }
        _ = try bench.logits(Self.prompt, sequence)
        expectError(.unsupported, "Scatter") { try parts(sequence) }
        for text in Self.specifications { try self.sequence(bench, text).checkSnapshot() }
    }

    @Test("nothing is saved before a prompt")
    func empty() throws {
        let sequence = try Bench("llama-gqa").sequence()
        expectError(.unsupported, "in the middle of a prompt") { try parts(sequence) }
    }

    @Test(
        "damage is refused or harmless, and leaves an empty sequence",
        arguments: [
            "full", "h2o", "d2o", "expected:decode=every", "adakv+snapkv:window=4", "uncomp:p,window=4",
            "pyramidinfer:min=4,block=4", "tova",
        ])
    func damage(text: String) throws {
        let bench = try Bench("llama-gqa")
        let original = try sequence(bench, text)
        _ = try bench.logits(Self.prompt, original)
        _ = try bench.decodeEach(SeamModels.prompt(6, seed: 3), original)
        let sound = try parts(original)
        var mutator = Mutator(seed: 7)
        for index in sound.indices {
            for _ in 0..<30 {
                var parts = sound
                parts[index] = mutator.mutate(parts[index])
                let copy = try sequence(bench, text)
                do {
                    try restore(copy, parts, length: 46)
                    _ = try bench.decodeEach([1, 2, 3], copy)  // whatever it says, it does not crash
                    try bench.runner.prefill([4, 5], copy, chunk: 4, phase: .laterTurn, wanted: .none)
                } catch let error as SwiftletError {
                    #expect(error.code == .malformed, "\(error)")
                    #expect(copy.length == 0 && (0..<2).allSatisfy { copy.rowCount(layer: $0, head: 0) == 0 })
                }
            }
        }
    }
}
