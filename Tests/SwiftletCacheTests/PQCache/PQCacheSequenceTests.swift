import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache

@Suite("PQCache in a sequence")
struct PQCacheSequenceTests {
    private static let shape = KVLayerShape(headCount: 4, kvHeadCount: 2, keySize: 8, valueSize: 6)
    private let compute = Compute(kernels: .best, threadCount: 2)

    private func policy(
        ratio: Double = 0.3, directory: String? = nil, cachedTokens: Int = 0
    ) throws -> KVPolicy {
        var settings = PQCacheSettings()
        settings.ratio = ratio
        settings.sinks = 4
        settings.bits = 4
        let tier = try directory.map {
            PQCacheRetrieval.SlowTier(pool: try KVPagePool(directory: $0), cachedTokens: cachedTokens)
        }
        var policy = KVPolicy()
        policy.retrieval = PQCacheRetrieval(settings, slowTier: tier)
        return policy
    }

    private func sequence(_ policy: KVPolicy, _ tokens: Tokens, prompt: Int) throws -> KVSequence {
        let sequence = try KVSequence.test(Self.shape, format: .f16, policy: policy)
        try sequence.step(tokens[0..<prompt], compute)
        try sequence.learnPrompt(compute)
        return sequence
    }

    private func decode(_ sequence: KVSequence, _ tokens: Tokens, _ range: Range<Int>) throws -> [[Float]] {
        try range.map { token in
            let output = try sequence.step(tokens[token..<token + 1], phase: .decode, compute)
            try sequence.compressStep(phase: .decode, compute: compute)
            return output
        }
    }

    @Test("a ratio of 1 and a short prompt are full attention, bit for bit")
    func full() throws {
        var random = SplitMix64(seed: 1)
        let tokens = Tokens(Self.shape, at: 0..<330, using: &random)
        for (ratio, prompt) in [(1.0, 300), (0.3, 20)] {
            let fetching = try sequence(policy(ratio: ratio), tokens, prompt: prompt)
            let full = try sequence(.full, tokens, prompt: prompt)
            let range = prompt..<prompt + 20
            #expect(try decode(fetching, tokens, range) == decode(full, tokens, range))
        }
    }

    @Test("the memory that a prompt needs counts the index")
    func needed() throws {
        var random = SplitMix64(seed: 1)
        let tokens = Tokens(Self.shape, at: 0..<300, using: &random)
        let read = try sequence(policy(), tokens, prompt: 300)
        let fetching = try KVSequence.test(Self.shape, format: .f16, policy: policy())
        let full = try KVSequence.test(Self.shape, format: .f16)
        let index = try fetching.bytesNeeded(reading: 300) - full.bytesNeeded(reading: 300)
        // The spare capacity of every head's codes is the allocator's choice.
        #expect(index > 0 && (0...2 * 32).contains(read.use.index - index))
    }

    @Test("a step attends exactly to the rows that are chosen")
    func chosen() throws {
        var random = SplitMix64(seed: 2)
        let tokens = Tokens(Self.shape, at: 0..<701, using: &random)
        let sequence = try sequence(policy(), tokens, prompt: 700)
        var settings = PQCacheSettings()
        (settings.ratio, settings.sinks, settings.bits) = (0.3, 4, 4)
        let slot = sequence.slot(of: 0)
        var layer = try #require(
            PQCacheLayer.index([slot], length: 700, settings: settings, compute: compute)?.first)
        var scratches = Array(repeating: PQIndex.Scratch(), count: 2)
        let asking = tokens[700..<701]
        let choices = try #require(
            layer.choices(
                queries: asking.queries, scale: KVSequence.testScale, slot: slot, cached: 700,
                scratches: &scratches, compute: compute))
        let output = try decode(sequence, tokens, 700..<701)[0]
        var plain = PlainSlot(sequence.slot(of: 0))
        for head in 0..<2 {
            let rows = choices[head].rows.map { Int($0) } + Array(choices[head].tail..<701)
            #expect(rows.count == layer.budget.attended)
            plain.heads[head] = rows.map { plain.heads[head][$0] }
        }
        let dense = DenseAttention(asking, over: plain, scale: KVSequence.testScale)
        #expect(largestDifference(output, dense.output) < KVAttentionTests.tolerance)
    }

    @Test("rows in a file, with and without copies, give the bits of rows in memory", arguments: [0, 512])
    func fileTier(cachedTokens: Int) throws {
        var random = SplitMix64(seed: 3)
        let tokens = Tokens(Self.shape, at: 0..<1200, using: &random)
        let directory = TemporaryDirectory()
        let slow = try policy(directory: directory.path, cachedTokens: cachedTokens)
        let inFile = try sequence(slow, tokens, prompt: 1000)
        let inMemory = try sequence(policy(), tokens, prompt: 1000)
        #expect(try decode(inFile, tokens, 1000..<1150) == decode(inMemory, tokens, 1000..<1150))
        try inFile.truncate(to: 1100)
        try inMemory.truncate(to: 1100)
        #expect(try decode(inFile, tokens, 1100..<1120) == decode(inMemory, tokens, 1100..<1120))
        let retrieval = try #require(inFile.retrieval as? PQCacheRetrieval)
        #expect(retrieval.slowTier?.pool.heldBytes ?? 0 > 0)
        #expect(inFile.pool.heldBytes < inMemory.pool.heldBytes)
        if cachedTokens > 0 {
            let fetched = try #require(retrieval.layer(0)).budget.fetched
            #expect(retrieval.traffic.hits > 0)
            #expect(retrieval.traffic.hits + retrieval.traffic.misses == 170 * 2 * fetched)
        }
    }

    @Test("forks go their own ways")
    func forks() throws {
        var random = SplitMix64(seed: 4)
        let tokens = Tokens(Self.shape, at: 0..<500, using: &random)
        let original = try sequence(policy(), tokens, prompt: 400)
        let alone = try sequence(policy(), tokens, prompt: 400)
        let fork = KVSequence(forking: original)
        _ = try decode(fork, tokens, 400..<480)
        #expect(try decode(original, tokens, 400..<420) == decode(alone, tokens, 400..<420))
    }

    @Test("a directory that is not there, and a disk without room, are errors")
    func noRoom() throws {
        expectError(.unwritable, "/nowhere") { try KVPagePool(directory: "/nowhere") }
        let directory = TemporaryDirectory()
        let pool = try KVPagePool(directory: directory.path)
        #expect(pool.take(1 << 52) == nil)
        #expect(pool.noRoom.message.contains("temporary file"))
    }
}
