import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Prefill layer by layer")
struct LayerMajorTests {
    @Test("without drops it equals prefill chunk by chunk", arguments: SeamModels.all, [1, 5, 16, 64])
    func sameBits(path: String, tile: Int) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(30)
        let chunked = try bench.sequence()
        let layered = try bench.sequence(policy: KVPolicy(Thinning(drops: false)))
        #expect(try bench.logits(ids, layered, chunk: tile) == bench.logits(ids, chunked))
        #expect(contents(layered) == contents(chunked))
        #expect(layered.length == 30)
        #expect(try bench.decode([(layered, 8)]) == bench.decode([(chunked, 8)]))
    }

    /// The layers one by one, without the runner: all rows through a layer, then the survivors through the next.
    private func recomputed(_ ids: [Int32], _ bench: Bench) throws -> (
        sequence: KVSequence, positions: [Int32], logits: [[Float]]
    ) {
        let (model, compute, workspace) = (bench.model, bench.runner.compute, Workspace())
        let sequence = try bench.sequence()
        var x = workspace.take(ids.count, model.configuration.hiddenSize)
        var positions = ids.indices.map(Int32.init)
        try model.embed(ids, at: positions, into: x, compute)
        for layer in 0..<model.configuration.layerCount {
            let pass = ForwardPass(
                segments: [.init(sequence: sequence, rows: 0..<x.rows, phase: .prefill)],
                positions: positions,
                compute: compute, workspace: workspace)
            try model.forward(layer: layer, x, pass)
            let kept = Thinning.survivors(of: positions.count)
            let survivors = workspace.take(kept.count, x.columns)
            for (target, source) in kept.enumerated() {
                survivors[row: target].update(from: x[row: source], count: x.columns)
            }
            x = survivors
            positions = kept.map { positions[$0] }
        }
        model.normalize(x, compute)
        let logits = workspace.take(x.rows, model.configuration.vocabularySize)
        model.logits(of: x, into: logits, compute)
        let rows = (0..<x.rows).map {
            Array(UnsafeBufferPointer(start: logits[row: $0], count: logits.columns))
        }
        return (sequence, positions, rows)
    }

    @Test("dropped rows reach no later layer", arguments: SeamModels.paths, [1, 4, 64])
    func drops(path: String, tile: Int) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(31)
        let expected = try recomputed(ids, bench)
        let sequence = try bench.sequence(policy: KVPolicy(Thinning()))
        var emitted: [(position: Int32, logits: [Float])] = []
        try bench.runner.prefill(
            ids, sequence, chunk: tile, phase: .prefill, wanted: .all,
            emit: { emitted.append(($0, Array($1))) })
        #expect(emitted.map(\.position) == expected.positions)
        #expect(emitted.map(\.logits) == expected.logits)
        #expect(contents(sequence) == contents(expected.sequence))
        // Layer 0 saw all, layer 1 the survivors of layer 0, at their own positions.
        #expect(sequence.positions(layer: 0, head: 0) == Array(0..<31))
        #expect(sequence.positions(layer: 1, head: 0) == Thinning.survivors(of: 31).map(Int32.init))
        #expect(sequence.length == 31)
    }

    @Test(
        "decoding goes on over the surviving rows", arguments: ["llama-gqa", "mistral-sliding", "qwen3-bias"])
    func decode(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(31)
        let expected = try recomputed(ids, bench).sequence
        expected.advance(by: 31)
        let sequence = try bench.sequence(policy: KVPolicy(Thinning()))
        _ = try bench.logits(ids, sequence)
        let next = SeamModels.prompt(5, seed: 4)
        #expect(try bench.decodeEach(next, sequence) == bench.decodeEach(next, expected))
        #expect(sequence.positions(layer: 1, head: 0).suffix(6) == [30, 31, 32, 33, 34, 35])
    }

    @Test("a later turn goes chunk by chunk over what the first one left")
    func laterTurn() throws {
        let bench = try Bench("llama-gqa")
        let sequence = try bench.sequence(policy: KVPolicy(Thinning()))
        _ = try bench.logits(SeamModels.prompt(7), sequence)
        try bench.runner.prefill(
            SeamModels.prompt(4, seed: 2), sequence, chunk: 3, phase: .laterTurn, wanted: .none)
        #expect(sequence.positions(layer: 0, head: 0) == Array(0..<11))
        #expect(sequence.positions(layer: 1, head: 0) == [0, 2, 3, 5, 6, 7, 8, 9, 10])
    }

    @Test("the last row alone gets logits when only that is wanted")
    func last() throws {
        let bench = try Bench("qwen3")
        let ids = SeamModels.prompt(12)
        var rows: [(position: Int32, logits: [Float])] = []
        try bench.runner.prefill(
            ids, bench.sequence(policy: KVPolicy(Thinning())), chunk: 5, phase: .prefill,
            wanted: .last, emit: { rows.append(($0, Array($1))) })
        #expect(rows.map(\.position) == [11])
        #expect(rows.map(\.logits) == [try #require(recomputed(ids, bench).logits.last)])
    }

    @Test("a stopped prefill takes everything back")
    func stopped() throws {
        let bench = try Bench("llama-gqa")
        let sequence = try bench.sequence(policy: KVPolicy(Thinning()))
        let ids = SeamModels.prompt(9)
        let done = try bench.runner.prefill(
            ids, sequence, chunk: 4, phase: .prefill, wanted: .none, progress: { _ in false })
        #expect(done == 0 && sequence.length == 0 && sequence.pool.heldBytes == 0)
        #expect(
            try bench.logits(ids, sequence) == bench.logits(ids, bench.sequence(policy: KVPolicy(Thinning())))
        )
    }

    @Test("compaction of one layer happens before the next is computed, decode stays bounded")
    func bounded() throws {
        let bench = try Bench("llama-mha")
        let sequence = try bench.sequence(policy: KVPolicy(SinksAndNewest(), rows: [6, 9]))
        _ = try bench.logits(SeamModels.prompt(30), sequence)
        for _ in 0..<10 {
            #expect(sequence.rowCount(layer: 0, head: 0) == 6)
            #expect(sequence.rowCount(layer: 1, head: 0) == 9)
            _ = try bench.decode([(sequence, 1)])
        }
    }
}
