import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Layers that share a cache slot")
struct SharingTests {
    @Test("the identity map changes nothing", arguments: SeamModels.paths, [KVFormat.f32, .f16])
    func identity(path: String, format: KVFormat) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(20)
        let (plain, mapped) = (
            try bench.sequence(format: format), try bench.sequence(format: format, owners: [0, 1])
        )
        #expect(try bench.logits(ids, mapped) == bench.logits(ids, plain))
        #expect(try bench.decode([(mapped, 4)]) == bench.decode([(plain, 4)]))
        #expect(contents(mapped) == contents(plain))
    }

    @Test("a borrower holds nothing", arguments: ["llama-gqa", "llama-mha", "mistral-sliding", "qwen3"])
    func memory(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(70)
        let (plain, shared) = (try bench.sequence(), try bench.sequence(owners: [0, 0]))
        _ = try bench.logits(ids, plain)
        _ = try bench.logits(ids, shared)
        #expect(shared.pool.heldBytes * 2 == plain.pool.heldBytes)
        #expect(shared.rowCount(layer: 1, head: 0) == 70)
        #expect(shared.positions(layer: 1, head: 0) == shared.positions(layer: 0, head: 0))
    }

    @Test(
        "sharing is independent of chunks, threads and batches",
        arguments: ["llama-gqa", "mistral-sliding", "qwen3"])
    func chunks(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(25)
        let expected = try bench.logits(ids, bench.sequence(owners: [0, 0]))
        #expect(try expected != bench.logits(ids, bench.sequence()))
        for size in [1, 3, 16] {
            #expect(try bench.logits(ids, bench.sequence(owners: [0, 0]), chunk: size) == expected)
        }
        #expect(try bench.decodeEach(ids, bench.sequence(owners: [0, 0])) == expected)
        let threaded = try Bench(path, threads: 3)
        #expect(try threaded.logits(ids, threaded.sequence(owners: [0, 0])) == expected)
        // One sequence of the batch shares, the other does not.
        let (shared, plain) = (try bench.sequence(owners: [0, 0]), try bench.sequence())
        for index in ids.indices {
            let rows = try bench.decode([(plain, ids[index]), (shared, ids[index])])
            #expect(rows[1] == expected[index])
        }
        let alone = try bench.sequence()
        _ = try bench.logits(ids, alone)
        #expect(contents(plain) == contents(alone))
    }

    @Test("a borrower attends to a copy of the owner's rows", arguments: ["llama-gqa", "llama-mha", "qwen3"])
    func explicitCopy(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(20)
        let shared = try bench.sequence(owners: [0, 0])
        _ = try bench.logits(ids, shared)
        // Layer 1 of the copy has rows of its own, which hold what layer 0 cached.
        let copy = try bench.sequence()
        for layer in 0..<2 { try copyRows(of: shared, to: copy, layer: layer) }
        copy.advance(by: 20)
        let c = bench.model.configuration
        var random = SplitMix64(seed: 1)
        let queries = random.floats(c.headCount * c.headSize, in: -2...2)
        let outputs = [shared, copy].map { sequence in
            var output = [Float](repeating: .nan, count: queries.count)
            queries.withUnsafeBufferPointer { data in
                [Int32(20)].withUnsafeBufferPointer { positions in
                    guard let data = data.baseAddress else { return }
                    sequence.attend(
                        KVSequence.Queries(data: data, positions: positions), layer: 1, phase: .decode,
                        into: &output, compute: bench.runner.compute, workspace: Workspace())
                }
            }
            return output
        }
        #expect(outputs[0] == outputs[1])
        #expect(outputs[0].allSatisfy { $0.isFinite })
    }

    @Test("keys and values of a borrower are not projected", arguments: ["llama-gqa", "qwen3"])
    func poisoned(path: String) throws {
        let folder = TemporaryDirectory()
        try Checkpoint(path).write(to: folder) { name, tensor in
            let isPoisoned =
                name.hasPrefix("model.layers.1.self_attn.k_") || name.hasPrefix("model.layers.1.self_attn.v_")
            guard isPoisoned else { return tensor }
            return Tensor(shape: tensor.shape, floats: Array(repeating: .nan, count: tensor.elementCount))
        }
        let (sound, poisoned) = (try Bench(path), try Bench(directory: folder.path))
        let ids = SeamModels.prompt(15)
        let expected = try sound.logits(ids, sound.sequence(owners: [0, 0]))
        #expect(try poisoned.logits(ids, poisoned.sequence(owners: [0, 0])) == expected)
        #expect(try poisoned.logits(ids, poisoned.sequence()).allSatisfy { $0.allSatisfy { $0.isNaN } })
    }

    @Test("a policy compresses the owner, and the borrower follows")
    func compressed() throws {
        let bench = try Bench("llama-gqa")
        let sequence = try bench.sequence(
            policy: KVPolicy(Scatter(seed: 2), rows: [6]), owners: [0, 0])
        _ = try bench.logits(SeamModels.prompt(20), sequence)
        for step in 0..<5 {
            #expect(sequence.rowCount(layer: 1, head: 1) == 6)
            #expect(sequence.positions(layer: 1, head: 1).last == Int32(19 + step))
            _ = try bench.decode([(sequence, 3)])
        }
    }

    @Test("tokens can be taken back from a shared slot")
    func rollback() throws {
        let bench = try Bench("llama-gqa")
        let (sequence, never) = (try bench.sequence(owners: [0, 0]), try bench.sequence(owners: [0, 0]))
        for sequence in [sequence, never] { _ = try bench.logits(SeamModels.prompt(12), sequence) }
        try bench.runner.prefill(
            SeamModels.prompt(5, seed: 2), sequence, chunk: 9, phase: .verify, wanted: .none)
        try sequence.truncate(to: 12)
        #expect(try bench.decode([(sequence, 3)]) == bench.decode([(never, 3)]))
    }
}
