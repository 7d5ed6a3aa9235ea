import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Results do not depend on how work is cut")
struct ChunkTests {
    static let sizes = [1, 2, 3, 7, 16, 64]

    @Test(
        "chunked prefill equals unchunked, bit for bit", arguments: SeamModels.all,
        Kernels.available.map(\.name))
    func chunks(path: String, isa: String) throws {
        let bench = try Bench(path, isa: isa)
        let ids = SeamModels.prompt(33)
        for format in [KVFormat.f32, .f16] {
            let whole = try bench.sequence(format: format)
            let expected = try bench.logits(ids, whole)
            for size in Self.sizes {
                let sequence = try bench.sequence(format: format)
                #expect(try bench.logits(ids, sequence, chunk: size) == expected, "chunks of \(size)")
                #expect(sequence.length == ids.count)
                #expect(contents(sequence) == contents(whole), "chunks of \(size)")
            }
        }
    }

    @Test("every checkpoint, decoded token by token", arguments: ModelFixture.all.map(\.path))
    func tokenByToken(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(20)
        for format in [KVFormat.f32, .f16] {
            let expected = try bench.logits(ids, bench.sequence(format: format))
            #expect(try bench.logits(ids, bench.sequence(format: format), chunk: 6) == expected)
            #expect(try bench.decodeEach(ids, bench.sequence(format: format)) == expected)
        }
    }

    @Test(
        "more tokens than a page holds", arguments: ["llama-gqa", "mistral-sliding"], [KVFormat.f32, .f16])
    func pages(path: String, format: KVFormat) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(150)
        let expected = try bench.logits(ids, bench.sequence(format: format))
        for size in [16, 64, 65] {
            #expect(try bench.logits(ids, bench.sequence(format: format), chunk: size) == expected)
        }
    }

    @Test("a prompt in two turns equals one prompt", arguments: SeamModels.all)
    func turns(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(25)
        let expected = try bench.logits(ids, bench.sequence())
        for split in [1, 8, 24] {
            let sequence = try bench.sequence()
            let first = try bench.logits(Array(ids[..<split]), sequence)
            #expect(try first + bench.logits(Array(ids[split...]), sequence) == expected)
        }
    }

    @Test("threads do not change a bit", arguments: SeamModels.all, [2, 3])
    func threads(path: String, count: Int) throws {
        let (one, many) = (try Bench(path), try Bench(path, threads: count))
        let ids = SeamModels.prompt(40)
        #expect(try many.logits(ids, many.sequence()) == one.logits(ids, one.sequence()))
        #expect(try many.decodeEach(ids, many.sequence()) == one.decodeEach(ids, one.sequence()))
    }

    @Test(
        "a batch of sequences equals each alone", arguments: SeamModels.all, Kernels.available.map(\.name))
    func batch(path: String, isa: String) throws {
        let bench = try Bench(path, isa: isa)
        let lengths = [0, 1, 5, 17, 30]
        let formats = [KVFormat.f32, .f16]
        var (alone, together): ([KVSequence], [KVSequence]) = ([], [])
        for (index, length) in lengths.enumerated() {
            let sequence = try bench.sequence(format: formats[index % 2])
            _ = try bench.logits(SeamModels.prompt(length, seed: UInt64(index)), sequence)
            alone.append(sequence)
            together.append(KVSequence(forking: sequence))
        }
        for step in 0..<6 {
            let ids = SeamModels.prompt(lengths.count, seed: UInt64(100 + step))
            let expected = try zip(alone, ids).flatMap { try bench.decode([($0, $1)]) }
            // The order of a batch is nobody's business.
            let order = step % 2 == 0 ? Array(ids.indices) : ids.indices.reversed()
            let found = try bench.decode(order.map { (together[$0], ids[$0]) })
            #expect(found == order.map { expected[$0] })
        }
        for (a, b) in zip(alone, together) { #expect(contents(a) == contents(b)) }
    }

    @Test("logits of wanted rows only")
    func wanted() throws {
        let bench = try Bench("qwen3")
        let ids = SeamModels.prompt(20)
        let all = try bench.logits(ids, bench.sequence())
        for chunk in [1, 7, 20, 64] {
            var last: [(Int32, [Float])] = []
            try bench.runner.prefill(
                ids, bench.sequence(), chunk: chunk, phase: .prefill, wanted: .last,
                emit: { last.append(($0, Array($1))) })
            #expect(last.map(\.0) == [19])
            #expect(last.map(\.1) == [try #require(all.last)])
            var positions: [Int32] = []
            try bench.runner.prefill(
                ids, bench.sequence(), chunk: chunk, phase: .prefill, wanted: .none,
                emit: { position, _ in positions.append(position) })
            #expect(positions.isEmpty)
        }
    }

    @Test("a stopped prefill keeps what is done and can go on")
    func stopped() throws {
        let bench = try Bench("llama-gqa")
        let ids = SeamModels.prompt(20)
        let sequence = try bench.sequence()
        let done = try bench.runner.prefill(
            ids, sequence, chunk: 6, phase: .prefill, wanted: .none, progress: { $0 < 12 })
        #expect(done == 12 && sequence.length == 12)
        let rest = try bench.logits(Array(ids[12...]), sequence)
        #expect(try rest == bench.logits(ids, bench.sequence()).suffix(8))
    }

    @Test("an empty prompt and an empty batch do nothing", arguments: [false, true])
    func empty(isLayerMajor: Bool) throws {
        let bench = try Bench("llama-gqa")
        let sequence =
            isLayerMajor
            ? try bench.sequence(policy: KVPolicy(Thinning())) : try bench.sequence()
        #expect(try bench.logits([], sequence).isEmpty)
        #expect(try bench.decode([]).isEmpty)
        #expect(sequence.length == 0 && sequence.pool.heldBytes == 0)
        #expect(try bench.logits(SeamModels.prompt(4), sequence).count > 0)
    }
}
