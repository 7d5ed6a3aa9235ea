import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

/// A model whose heads fill blocks of 32 numbers.
struct FormatBench {
    let bench: Bench
    private let folder = TemporaryDirectory()

    init(headSize: Int = 32, threads: Int = 1, isa: String = "") throws {
        let path = SyntheticWeights.directory(in: folder, layers: 2, headSize: headSize)
        bench = Bench(
            try loadModel(directory: path), kernels: try Kernels.selected(named: isa), threads: threads)
    }

    /// A sequence with the formats and parts of a specification.
    func sequence(_ text: String, _ budget: KVBudget? = nil) throws -> KVSequence {
        let policy = try KVPolicy(
            parsing: text, budget: budget, layers: bench.model.cacheLayers, profiles: IdentityProfiles())
        return try bench.sequence(
            format: policy.format ?? .f16, policy: policy, owners: policy.owners)
    }

    /// A prompt of tokens that the model knows.
    static func prompt(_ count: Int, seed: UInt64 = 1) -> [Int32] {
        SeamModels.prompt(count, seed: seed).map { $0 % 40 }
    }

    private struct IdentityProfiles: KVProfileReader {
        func sharingMap(at path: String) throws(SwiftletError) -> [Int] { [0, 0] }
        func headRanks(at path: String) throws(SwiftletError) -> [[Double]] { [] }
    }
}

@Suite("Number formats of the cache")
struct CacheFormatTests {
    static let formats = [
        "bf16", "q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "cache:k=q8_0,v=q4_0", "cache:k=q4_1,v=f32",
        "cache:v=q5_0",
    ]
    static let policies = ["snapkv:window=4", "h2o", "d2o", "adakv:alpha=0+h2o", "tova", "streaming+slots"]

    @Test("a budget that covers every row gives the bits of the full cache", arguments: formats)
    func unreached(format: String) throws {
        let bench = try FormatBench()
        let ids = FormatBench.prompt(20), next = FormatBench.prompt(4, seed: 2)
        let full = try bench.sequence(format)
        let expected = try bench.bench.logits(ids, full) + bench.bench.decodeEach(next, full)
        for policy in Self.policies {
            let found = try bench.sequence("\(policy)+\(format)", .rows(24))
            let bits = try bench.bench.logits(ids, found) + bench.bench.decodeEach(next, found)
            #expect(bits == expected, "\(policy)")
        }
    }

    @Test(
        "chunks, threads and single tokens change nothing",
        arguments: ["q8_0", "q4_1", "cache:k=q4_0,v=q5_0"],
        Kernels.available.map(\.name))
    func chunks(format: String, isa: String) throws {
        let (bench, threaded) = (try FormatBench(isa: isa), try FormatBench(threads: 3, isa: isa))
        let ids = FormatBench.prompt(70)
        let whole = try bench.sequence(format)
        let expected = try bench.bench.logits(ids, whole)
        let cut = try bench.sequence(format)
        #expect(try bench.bench.logits(ids, cut, chunk: 7) == expected)
        #expect(contents(cut) == contents(whole))
        #expect(try threaded.bench.logits(ids, threaded.sequence(format), chunk: 64) == expected)
        let each = try bench.sequence(format)
        #expect(try bench.bench.decodeEach(Array(ids[..<10]), each) == Array(expected[..<10]))
    }

    @Test("a batch of sequences of all formats equals each alone")
    func batch() throws {
        let bench = try FormatBench()
        var (alone, together): ([KVSequence], [KVSequence]) = ([], [])
        for (index, format) in Self.formats.enumerated() {
            let sequence = try bench.sequence(format)
            _ = try bench.bench.logits(FormatBench.prompt(3 + index * 9, seed: UInt64(index)), sequence)
            alone.append(sequence)
            together.append(KVSequence(forking: sequence))
        }
        for step in 0..<3 {
            let ids = FormatBench.prompt(alone.count, seed: UInt64(50 + step))
            let expected = try zip(alone, ids).flatMap { try bench.bench.decode([($0, $1)]) }
            #expect(try bench.bench.decode(Array(zip(together, ids))) == expected)
        }
    }

    @Test("policies keep to their bound, and memory comes back", arguments: formats, policies)
    func bounded(format: String, policy: String) throws {
        let bench = try FormatBench()
        let sequence = try bench.sequence("\(policy)+\(format)", .rows(60))
        let full = try bench.sequence(format)
        let ids = FormatBench.prompt(200)
        _ = try bench.bench.logits(ids, sequence)
        _ = try bench.bench.logits(ids, full)
        for layer in 0..<2 {
            let rows = (0..<2).map { sequence.rowCount(layer: layer, head: $0) }
            #expect(rows.reduce(0, +) <= 2 * (sequence.budgets[layer] ?? 0))
        }
        // 200 rows fill four pages of each of four heads; 60 on average leave a head at most one begun page more.
        #expect(sequence.pool.heldBytes <= full.pool.heldBytes / 16 * 8)
        for id in FormatBench.prompt(8, seed: 5) {
            #expect(try bench.bench.decode([(sequence, id)])[0].allSatisfy { $0.isFinite })
        }
    }

    @Test("narrow formats keep rows within their bound and hold fewer bytes", arguments: KVFormat.supported)
    func close(format: NumberFormat) throws {
        let bench = try FormatBench()
        let ids = FormatBench.prompt(40)
        let (exact, sequence) = (try bench.sequence("f32"), try bench.sequence(format.rawValue))
        _ = try bench.bench.logits(ids, exact)
        _ = try bench.bench.logits(ids, sequence)
        // Rows of layer 0 depend on nothing but token and position; a head is one block of 32.
        let bound = Float(try #require(format.roundTripBound))
        for (rows, expected) in zip(contents(sequence)[0].joined(), contents(exact)[0].joined()) {
            for (found, whole) in [(rows.key, expected.key), (rows.value, expected.value)] {
                let largest = whole.reduce(0) { max($0, abs($1)) }
                #expect(zip(found, whole).allSatisfy { abs($0 - $1) <= bound * largest })
            }
        }
        let bytes = try #require(format.byteCount(of: 32))
        #expect(sequence.pool.heldBytes == exact.pool.heldBytes * bytes / 128)
    }

    @Test("heads that do not fill blocks are refused with the format that fits", arguments: ["q8_0", "q4_0"])
    func refused(format: String) throws {
        let bench = try FormatBench(headSize: 16)
        do {
            _ = try bench.sequence(format)
            Issue.record("\(format) was accepted")
        } catch let error as SwiftletError {
            #expect(error.code == .unsupported)
            for word in ["16", format, "32", "f16"] { #expect(error.message.contains(word)) }
        }
    }

    @Test("tokens that are taken back leave no trace", arguments: formats)
    func rollback(format: String) throws {
        let bench = try FormatBench()
        let (sequence, plain) = (try bench.sequence(format), try bench.sequence(format))
        let ids = FormatBench.prompt(66)
        _ = try bench.bench.logits(ids, sequence)
        _ = try bench.bench.logits(Array(ids[..<60]), plain)
        try sequence.truncate(to: 60)
        #expect(contents(sequence) == contents(plain))
        #expect(try bench.bench.decode([(sequence, 7)]) == bench.bench.decode([(plain, 7)]))
    }
}
