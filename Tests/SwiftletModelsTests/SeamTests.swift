import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Policies drive the cache of a model")
struct SeamTests {
    @Test("a budget that is not reached changes nothing", arguments: ModelFixture.all.map(\.path))
    func unreached(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(24)
        let rows = bench.budgets(24)
        let policies = [
            .full, KVPolicy(SinksAndNewest(), rows: rows), KVPolicy(Scatter(seed: 1), rows: rows),
            KVPolicy(Recording(), rows: rows), KVPolicy(Thinning(drops: false)),
        ]
        let expected = try bench.logits(ids, bench.sequence()) + bench.decodeEach(ids, bench.sequence())
        for (index, policy) in policies.enumerated() {
            let (whole, each) = (try bench.sequence(policy: policy), try bench.sequence(policy: policy))
            let found = try bench.logits(ids, whole, chunk: 10) + bench.decodeEach(ids, each)
            #expect(found == expected, "policy \(index)")
        }
    }

    @Test(
        "after compaction decoding goes on at the true positions", arguments: SeamModels.paths,
        [KVFormat.f32, .f16])
    func compacted(path: String, format: KVFormat) throws {
        let bench = try Bench(path)
        let sequence = try bench.sequence(
            format: format, policy: KVPolicy(Scatter(seed: 3), rows: bench.budgets(7)))
        let full = try bench.sequence(format: format)
        let ids = SeamModels.prompt(30)
        // What prefill computes does not depend on what is dropped after it.
        #expect(try bench.logits(ids, sequence) == bench.logits(ids, full))
        let (kept, whole) = (contents(sequence), contents(full))
        for layer in kept.indices {
            for head in kept[layer].indices {
                #expect(kept[layer][head].count == 7)
                #expect(kept[layer][head].allSatisfy { whole[layer][head][Int($0.position)] == $0 })
            }
        }
        _ = try bench.decode([(sequence, 5)])
        _ = try bench.decode([(full, 5)])
        #expect(sequence.length == 31)
        // Rows and positions of layer 0 depend on nothing but token and position.
        let (next, expected) = (contents(sequence)[0], contents(full)[0])
        for head in next.indices { #expect(next[head].last == expected[head][30]) }
    }

    @Test(
        "attention after compaction equals a full cache that hides the dropped rows",
        arguments: ["llama-gqa", "qwen3", "llama3-rope"])
    func hidden(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(30)
        let budgets = bench.budgets(20)
        let sequence = try bench.sequence(policy: KVPolicy(SinksAndNewest(sinks: 0), rows: budgets))
        _ = try bench.logits(ids, sequence)
        // The newest 20 of 30 rows and the new one are what a window of 21 sees at position 30.
        var windowed = bench.model.cacheLayers
        for layer in windowed.indices { windowed[layer].window = 21 }
        let c = bench.model.configuration
        let full = try bench.sequence()
        _ = try bench.logits(ids, full)
        let masked = try KVSequence(
            layout: KVLayout(layers: windowed), format: .f32, rope: c.rope, scale: c.attentionScale,
            pool: KVPagePool(), kernels: bench.kernels)
        for layer in windowed.indices { try copyRows(of: full, to: masked, layer: layer) }
        masked.advance(by: 30)
        let (found, expected) = (try bench.decode([(sequence, 9)]), try bench.decode([(masked, 9)]))
        // The rows sit in other tiles, so sums are rounded in another order.
        #expect(largestDifference(found, expected) < 1e-5)
    }

    @Test("thousands of steps stay within the bound")
    func bounded() throws {
        let bench = try Bench("llama-gqa")
        let needs = KVEvidence(windowQueries: 4, columnSums: true, rollingRows: 3)
        let selectors: [any KVSelector] = [
            SinksAndNewest(evidence: needs), Scatter(seed: 5, evidence: needs),
        ]
        let sequences = try selectors.map {
            try bench.sequence(format: .f16, policy: KVPolicy($0, rows: bench.budgets(70)))
        }
        var (pages, bytes) = (0, 0)
        for step in 0..<2_000 {
            let logits = try bench.decode(sequences.map { ($0, Int32(step % 101)) })
            guard step % 100 == 99 else { continue }
            #expect(logits.allSatisfy { $0.allSatisfy(\.isFinite) })
            for sequence in sequences {
                #expect(sequence.length == step + 1)
                for layer in 0..<2 {
                    for head in 0..<2 {
                        #expect(sequence.rowCount(layer: layer, head: head) == min(step + 1, 70))
                        #expect(sequence.positions(layer: layer, head: head).last == Int32(step))
                    }
                }
            }
            // 71 rows, two pages per head, are held within a step. The spare capacity of the lists of positions
            // is the allocator's choice.
            if step == 199 {
                (pages, bytes) = (sequences[0].pool.peakBytes, sequences[0].heldBytes)
            } else if step > 199 {
                #expect(sequences[0].pool.peakBytes == pages)
                #expect(abs(sequences[0].heldBytes - bytes) < 1_024)
            }
        }
        #expect(Array(sequences[0].positions(layer: 1, head: 1).prefix(3)) == [0, 1, 1_932])
    }

    @Test("tokens that are taken back leave no trace", arguments: SeamModels.all, [KVFormat.f32, .f16])
    func rollback(path: String, format: KVFormat) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(20)
        let (sequence, never) = (try bench.sequence(format: format), try bench.sequence(format: format))
        _ = try bench.logits(ids, sequence)
        _ = try bench.logits(ids, never)
        for accepted in 0...4 {
            let proposed = SeamModels.prompt(4, seed: UInt64(10 + accepted))
            let position = sequence.length
            try bench.runner.prefill(proposed, sequence, chunk: 8, phase: .verify, wanted: .none)
            try sequence.truncate(to: position + accepted)
            _ = try bench.logits(Array(proposed[..<accepted]), never)
            #expect(contents(sequence) == contents(never))
            #expect(try bench.decode([(sequence, 3)]) == bench.decode([(never, 3)]))
        }
    }

    @Test("a rejected proposal does not push rows out of a bounded cache")
    func boundedRollback() throws {
        let bench = try Bench("llama-gqa")
        func sequence() throws -> KVSequence {
            let sequence = try bench.sequence(policy: KVPolicy(SinksAndNewest(), rows: bench.budgets(12)))
            _ = try bench.logits(SeamModels.prompt(20), sequence)
            return sequence
        }
        let (verified, never) = (try sequence(), try sequence())
        for round in 0..<5 {
            let position = verified.length
            try bench.runner.prefill(
                SeamModels.prompt(6, seed: UInt64(round)), verified, chunk: 8, phase: .verify, wanted: .none)
            #expect(verified.rowCount(layer: 0, head: 0) == 18)
            try verified.truncate(to: position)
            #expect(contents(verified) == contents(never))
            #expect(try bench.decode([(verified, 3)]) == bench.decode([(never, 3)]))
        }
        for round in 0..<5 {
            try bench.runner.prefill(
                SeamModels.prompt(6, seed: UInt64(round)), verified, chunk: 8, phase: .verify, wanted: .none)
            #expect(verified.rowCount(layer: 0, head: 0) == 18, "accepted tokens count in the next round")
        }
    }

    @Test("a fork goes its own way", arguments: SeamModels.all)
    func forks(path: String) throws {
        let bench = try Bench(path)
        let (prompt, a, b) = (
            SeamModels.prompt(20), SeamModels.prompt(9, seed: 2), SeamModels.prompt(9, seed: 3)
        )
        let sequence = try bench.sequence()
        _ = try bench.logits(prompt, sequence)
        let fork = KVSequence(forking: sequence)
        let (found, other) = (try bench.logits(a, sequence), try bench.logits(b, fork))
        #expect(try found == bench.logits(prompt + a, bench.sequence()).suffix(9))
        #expect(try other == bench.logits(prompt + b, bench.sequence()).suffix(9))
    }
}
