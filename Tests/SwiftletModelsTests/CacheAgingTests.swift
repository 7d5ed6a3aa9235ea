import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Rows that are rotated, or stored anew as they age")
struct CacheAgingTests {
    static let formats = [
        "kivi:bits=4,residual=64", "kivi:residual=64", "kivi:k=4,v=2,residual=128",
        "age:f16=64,q8_0=64,then=q4_0", "age:f32=70,then=q8_0", "rotate+q4_0", "rotate+kivi:residual=64",
        "rotate+age:f16=64,then=q5_1",
    ]

    @Test("chunks, threads and batches change nothing", arguments: formats)
    func independent(format: String) throws {
        let (bench, threaded) = (try FormatBench(), try FormatBench(threads: 3))
        // Between the prompt and the last token, a third page of 64 rows gets old.
        let ids = FormatBench.prompt(186), next = FormatBench.prompt(12, seed: 2)
        let whole = try bench.sequence(format)
        let expected = try bench.bench.logits(ids, whole)
        let cut = try bench.sequence(format)
        #expect(try bench.bench.logits(ids, cut, chunk: 50) == expected)
        #expect(contents(cut) == contents(whole))
        let other = try threaded.sequence(format)
        #expect(try threaded.bench.logits(ids, other, chunk: 64) == expected)
        let fork = KVSequence(forking: whole)
        let beside = try bench.sequence("q8_0")
        _ = try bench.bench.logits(FormatBench.prompt(17, seed: 9), beside)
        let alone = try bench.bench.decodeEach(next, whole)
        #expect(try threaded.bench.decodeEach(next, other) == alone)
        for (index, id) in next.enumerated() {
            #expect(try bench.bench.decode([(beside, 1), (fork, id)])[1] == alone[index])
        }
        #expect(contents(fork) == contents(whole))
    }

    @Test("a budget that covers every row gives the bits of the full cache", arguments: formats)
    func unreached(format: String) throws {
        let bench = try FormatBench()
        let ids = FormatBench.prompt(150), next = FormatBench.prompt(4, seed: 2)
        let full = try bench.sequence(format)
        let expected = try bench.bench.logits(ids, full) + bench.bench.decodeEach(next, full)
        for policy in ["snapkv:window=4", "h2o", "streaming"] {
            let found = try bench.sequence("\(policy)+\(format)", .rows(160))
            let bits = try bench.bench.logits(ids, found) + bench.bench.decodeEach(next, found)
            #expect(bits == expected, "\(policy)")
        }
    }

    @Test(
        "policies keep to their bound and go on", arguments: formats,
        ["snapkv:window=4", "d2o", "tova", "streaming+slots"])
    func bounded(format: String, policy: String) throws {
        let bench = try FormatBench()
        let sequence = try bench.sequence("\(policy)+\(format)", .rows(140))
        _ = try bench.bench.logits(FormatBench.prompt(260), sequence)
        // TOVA drops a row per token, or 64 at once.
        for (step, id) in FormatBench.prompt(policy == "tova" ? 68 : 8, seed: 5).enumerated() {
            for layer in 0..<2 {
                let rows = (0..<2).map { sequence.rowCount(layer: layer, head: $0) }
                #expect(rows.reduce(0, +) <= 2 * (sequence.budgets[layer] ?? 0), "step \(step)")
            }
            #expect(try bench.bench.decode([(sequence, id)])[0].allSatisfy { $0.isFinite })
        }
    }

    @Test("old rows are the codes of KIVI, bit for bit", arguments: [(4, 64), (2, 64), (2, 128)])
    func kivi(bits: Int, residual: Int) throws {
        let bench = try FormatBench()
        let text = "kivi:bits=\(bits),residual=\(residual)"
        let (sequence, exact) = (try bench.sequence(text), try bench.sequence("f16"))
        let ids = FormatBench.prompt(290)
        #expect(try bench.bench.logits(ids, sequence) == bench.bench.logits(ids, exact))
        expect(sequence, isCoded: exact, KIVICodec(bits: bits, residual: residual))
        #expect(sequence.heldBytes < exact.heldBytes)
    }

    @Test("rows are selected first, then coded")
    func selected() throws {
        let bench = try FormatBench()
        let sequence = try bench.sequence("adakv+snapkv:window=4+kivi:bits=4,residual=64", .rows(200))
        let exact = try bench.sequence("adakv+snapkv:window=4+f16", .rows(200))
        let ids = FormatBench.prompt(300)
        _ = try bench.bench.logits(ids, sequence)
        _ = try bench.bench.logits(ids, exact)
        expect(sequence, isCoded: exact, KIVICodec(bits: 4, residual: 64))
    }

    /// Compares every head with what the codec makes of its exact rows.
    private func expect(_ sequence: KVSequence, isCoded exact: KVSequence, _ codec: KIVICodec) {
        for (found, expected) in zip(contents(sequence).joined(), contents(exact).joined()) {
            #expect(found.map(\.position) == expected.map(\.position))
            let split = codec.coded(of: expected.count)
            let (keys, values) = (split.keys / 64 * 64, split.values / 64 * 64)
            let coded = (
                keys: KIVICodec.keys(codec.quantizeKeys(expected[..<keys].map(\.key)).map { $0.map(stored) }),
                values: KIVICodec.values(
                    codec.quantizeValues(expected[..<values].map(\.value)).map { $0.map(stored) })
            )
            #expect(found.map(\.key) == coded.keys + expected[keys...].map(\.key))
            #expect(found.map(\.value) == coded.values + expected[values...].map(\.value))
        }
    }

    /// A group whose scale and zero are stored in half precision.
    private func stored(_ group: KIVICodec.Group) -> KIVICodec.Group {
        func half(_ number: Float) -> Float { Float(Reference.half(Reference.halfBits(number))) }
        return KIVICodec.Group(codes: group.codes, scale: half(group.scale), zero: half(group.zero))
    }

    @Test("rows go through the formats of their age, one page at a time")
    func age() throws {
        let bench = try FormatBench()
        let sequence = try bench.sequence("age:f16=64,q8_0=128,then=q4_0")
        let exact = try bench.sequence("f16")
        let ids = FormatBench.prompt(330)
        _ = try bench.bench.logits(ids, sequence)
        _ = try bench.bench.logits(ids, exact)
        // 330 rows: of the oldest 138, two pages are whole; of the oldest 266, four.
        let formats: [NumberFormat] = [.q4_0, .q4_0, .q8_0, .q8_0, .f16, .f16]
        for (found, expected) in zip(contents(sequence).joined(), contents(exact).joined()) {
            for (row, (a, b)) in zip(found, expected).enumerated() {
                let bound = row / 64 > 3 ? 0 : Float(try #require(formats[row / 64].roundTripBound))
                let largest = b.key.reduce(0) { max($0, abs($1)) }
                #expect(zip(a.key, b.key).allSatisfy { abs($0 - $1) <= bound * largest })
            }
        }
        let page = formats.reduce(0) { $0 + 64 * 2 * ($1.byteCount(of: 32) ?? 0) }
        #expect(sequence.pool.heldBytes == 4 * page)
        // In decode, pages move on by themselves.
        _ = try bench.bench.decodeEach(FormatBench.prompt(64, seed: 3), sequence)
        #expect(sequence.pool.heldBytes == 4 * (page + 64 * 2 * 18))
    }

    @Test("after tokens are taken back, new rows are stored as new ones", arguments: formats)
    func rollback(format: String) throws {
        let bench = try FormatBench()
        let sequence = try bench.sequence(format)
        _ = try bench.bench.logits(FormatBench.prompt(330), sequence)
        try sequence.truncate(to: 40)
        let exact = try bench.sequence(format.contains("age:f32") ? "f32" : "f16")
        _ = try bench.bench.logits(FormatBench.prompt(40), exact)
        _ = try bench.bench.decodeEach([3, 4], sequence)
        _ = try bench.bench.decodeEach([3, 4], exact)
        #expect(sequence.length == 42)
        guard !format.contains("rotate") else { return }
        // Rows of layer 0 depend on nothing but token and position.
        for (found, expected) in zip(contents(sequence)[0], contents(exact)[0]) {
            #expect(Array(found.suffix(2)) == Array(expected.suffix(2)))
        }
    }

    @Test("rotation changes exact rows by roundings only, and is undone for policies")
    func rotation() throws {
        for size in [32, 24, 6] {
            let bench = try FormatBench(headSize: size)
            let (sequence, plain) = (try bench.sequence("rotate+f32"), try bench.sequence("f32"))
            let ids = FormatBench.prompt(40)
            let (found, expected) = (
                try bench.bench.logits(ids, sequence), try bench.bench.logits(ids, plain)
            )
            let largest = expected.joined().reduce(0) { max($0, abs($1)) }
            #expect(largestDifference(found, expected) <= 1e-3 * largest)
            for (a, b) in zip(contents(sequence)[0].joined(), contents(plain)[0].joined()) {
                #expect(
                    zip(a.key + a.value, b.key + b.value).allSatisfy { abs($0 - $1) <= 1e-5 * (1 + abs($1)) })
            }
        }
    }
}
