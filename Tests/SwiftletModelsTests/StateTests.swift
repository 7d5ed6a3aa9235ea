import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Layers of short convolutions keep the states that later tokens see")
struct StateTests {
    private static let paths = ["lfm2", "lfm2-bias"]
    private static let length = 300

    @Test("a long text in any chunks, token by token and by another order of layers", arguments: paths)
    func cuts(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(Self.length)
        let whole = try bench.sequence(format: .f16)
        let expected = try bench.logits(ids, whole, chunk: Self.length)
        try check(whole)
        for chunk in [1, 64, 67, 200] {
            let sequence = try bench.sequence(format: .f16)
            #expect(try bench.logits(ids, sequence, chunk: chunk) == expected, "chunks of \(chunk)")
            #expect(contents(sequence) == contents(whole), "chunks of \(chunk)")
        }
        let decoded = try bench.sequence(format: .f16)
        let first = try bench.logits(Array(ids[..<90]), decoded, chunk: 17)
        #expect(try first + bench.decodeEach(Array(ids[90...]), decoded) == expected)
        #expect(contents(decoded) == contents(whole))
        let layered = try bench.sequence(format: .f16)
        let runner = bench.runner
        var prompt = try LayerMajorPrompt(
            ids, layered, tile: 23, phase: .prefill, Workspace(), runner)
        while prompt.layer < bench.model.configuration.layerCount { try prompt.advance(runner) }
        var rows: [[Float]] = []
        try prompt.finish(runner, wanted: .all) { rows.append(Array($1)) }
        #expect(rows == expected && contents(layered) == contents(whole))
    }

    /// States lie in at most two pages and as many more as a window fills, as exact numbers.
    private func check(_ sequence: KVSequence) throws {
        for (layer, shape) in sequence.layout.layers.enumerated() {
            let positions = sequence.positions(layer: layer, head: 0)
            #expect(positions == Array(Int32(sequence.length - positions.count)..<Int32(sequence.length)))
            guard shape.content == .state, let window = shape.window else {
                #expect(positions.count == sequence.length)
                continue
            }
            #expect((window - 1..<window - 1 + KVPage.rowCapacity).contains(positions.count))
            let slot = sequence.slot(of: layer)
            #expect(
                slot.pageBytesOfAllHeads >= KVPage.rowCapacity * shape.keySize * MemoryLayout<Float>.stride)
            #expect(slot.heldBytes <= 2 * slot.pageBytesOfAllHeads)
        }
    }

    @Test("what a sequence holds is foretold", arguments: paths, [1, 70, 300])
    func forecast(path: String, length: Int) throws {
        let bench = try Bench(path)
        let sequence = try bench.sequence(format: .f16)
        let foretold = try sequence.forecast(reading: length, chunk: 50)
        let most = try sequence.mostBytes(reading: length, generating: 40, chunk: 50)
        let needed = try sequence.bytesNeeded(reading: length)
        _ = try bench.logits(SeamModels.prompt(length), sequence, chunk: 50)
        let slack = sequence.states.count * 2 * KVHead.positionSlack
        #expect(abs(sequence.heldBytes - foretold.heldBytes) <= slack)
        #expect(sequence.peakBytes <= foretold.peakBytes + slack)
        #expect(sequence.use.pages - sequence.pageBytes <= needed)
        _ = try bench.decodeEach(SeamModels.prompt(40), sequence)
        #expect(sequence.peakBytes <= most)
    }

    @Test("tokens that may be taken back push nothing out", arguments: paths, [0, 1, 62, 64, 130])
    func verification(path: String, length: Int) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(length + 90)
        let expected = try bench.logits(ids, bench.sequence())
        let sequence = try bench.sequence()
        let first = try bench.logits(Array(ids[..<length]), sequence)
        // Three accepted of many, twice.
        var found: [[Float]] = []
        for start in [length, length + 3] {
            var rows: [[Float]] = []
            let proposal = Array(ids[start..<start + 3]) + Array(repeating: Int32(5), count: 80)
            try bench.runner.prefill(
                proposal, sequence, chunk: 16, phase: .verify, wanted: .all, emit: { rows.append(Array($1)) })
            try sequence.truncate(to: start + 3)
            found += rows.prefix(3)
        }
        let rest = try bench.logits(Array(ids[(length + 6)...]), sequence)
        #expect(first + found + rest == expected)
    }

    @Test("going back is possible as far as the states reach", arguments: paths)
    func truncation(path: String) throws {
        try Bench(path).expectTruncation(of: SeamModels.prompt(Self.length), to: 270, notTo: 200)
    }

    @Test("a chunk that fails leaves what was there before it", arguments: [3, 64, 100, 129])
    func failure(length: Int) throws {
        let bench = try Bench("lfm2")
        let ids = SeamModels.prompt(length + 40)
        let sequence = try bench.sequence()
        _ = try bench.logits(Array(ids[..<length]), sequence)
        let size = bench.model.configuration.hiddenSize
        let states = [Float](repeating: 1, count: 300 * size)
        let positions = (0..<300).map { Int32(length + $0) }
        for chunk in [0..<200, 200..<300] {
            try positions[chunk].withUnsafeBufferPointer {
                try sequence.append(states: states, layer: 1, positions: $0, phase: .prefill)
            }
        }
        try sequence.truncate(to: length)
        let fresh = try bench.sequence()
        let expected = try bench.logits(ids, fresh)
        #expect(try bench.logits(Array(ids[length...]), sequence) == Array(expected[length...]))
    }

    @Test("forks, batches and snapshots", arguments: paths, [20, 64, 65, 200])
    func forks(path: String, length: Int) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(length), next = SeamModels.prompt(70, seed: 3)
        let sequence = try bench.sequence()
        _ = try bench.logits(ids, sequence)
        let fork = KVSequence(forking: sequence)
        var parts: [[UInt8]] = []
        try sequence.snapshot { parts.append($0) }
        let restored = try bench.sequence()
        var left = parts[...]
        try restored.restore(length: length, keeping: length) { left.removeFirst() }
        #expect(contents(restored) == contents(sequence))
        let expected = try bench.decodeEach(next, sequence)
        #expect(try bench.decodeEach(next, restored) == expected)
        let other = try bench.sequence(format: .f16)
        for (index, id) in next.enumerated() {
            let rows = try bench.decode([(other, 7), (fork, id)])
            #expect(rows[1] == expected[index])
        }
        #expect(contents(fork) == contents(sequence) && !sequence.prefixIsReusable)
    }

    @Test("prompts of several sequences go together", arguments: paths)
    func promptBatch(path: String) throws {
        let bench = try Bench(path)
        let prompts = [30, 1, 77].map { SeamModels.prompt($0, seed: UInt64($0)) }
        let sequences = try prompts.map { _ in try bench.sequence() }
        for (sequence, ids) in zip(sequences, prompts) { _ = try sequence.beginPrompt(ids.count) }
        var rows = [[[Float]]](repeating: [], count: prompts.count)
        let parts = zip(sequences, prompts).map {
            BatchPart(prompt: $1, $0, phase: .prefill, wanted: .all, endsPrompt: true)
        }
        let failures = try bench.runner.step(parts) { places, logits in
            for (row, place) in places.enumerated() { rows[place.part].append(Array(logits.vector(row))) }
        }
        #expect(failures.isEmpty)
        for (ids, found) in zip(prompts, rows) {
            #expect(try found == bench.logits(ids, bench.sequence()))
        }
    }

    @Test("what cannot hold states is refused by name")
    func refused() throws {
        let layers = try ModelFixture.model("lfm2").cacheLayers
        #expect(throws: SwiftletError.self) { try KVLayout(layers: layers, owners: [0, 0, 2, 3]) }
        let formats = try ["q8_0", "f16"].map { text in try #require(NumberFormat(rawValue: text)) }
        for format in formats {
            let sequence = try KVFormat(key: format, value: format).rowBytes(layers[0])
            #expect(sequence == 4 * layers[0].keySize)
        }
    }
}
