import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Evidence that a model's layers leave")
struct EvidenceTests {
    private func recorded(_ ids: [Int32], chunk: Int, _ bench: Bench) throws -> KVSequence {
        let sequence = try bench.sequence(policy: KVPolicy(Recording(), rows: bench.budgets(999)))
        _ = try bench.logits(ids, sequence, chunk: chunk)
        return sequence
    }

    @Test("it does not depend on chunks or threads", arguments: SeamModels.paths)
    func chunks(path: String) throws {
        let ids = SeamModels.prompt(37)
        let whole = try recorded(ids, chunk: 37, Bench(path))
        for (chunk, threads) in [(1, 1), (3, 1), (16, 2), (37, 3)] {
            let cut = try recorded(ids, chunk: chunk, Bench(path, threads: threads))
            for layer in whole.layout.layers.indices {
                let (a, b) = (whole.view(of: layer, phase: .prefill), cut.view(of: layer, phase: .prefill))
                for head in 0..<a.shape.headCount {
                    #expect(a.columnSums(ofQueryHead: head) == b.columnSums(ofQueryHead: head))
                    #expect(a.queryMoments(ofQueryHead: head).mean == b.queryMoments(ofQueryHead: head).mean)
                }
                for head in 0..<a.shape.kvHeadCount {
                    #expect(a.windowWeights(ofHead: head) == b.windowWeights(ofHead: head))
                }
            }
        }
    }

    @Test("every query gives 1 to the rows it sees", arguments: SeamModels.paths)
    func total(path: String) throws {
        let bench = try Bench(path)
        let sequence = try recorded(SeamModels.prompt(30), chunk: 11, bench)
        for step in 0..<3 { _ = try bench.decode([(sequence, Int32(step))]) }
        for layer in sequence.layout.layers.indices {
            let view = sequence.view(of: layer, phase: .decode)
            for head in 0..<view.shape.headCount {
                #expect(abs(view.columnSums(ofQueryHead: head).reduce(0, +) - 33) < 1e-3)
            }
            for head in 0..<view.shape.kvHeadCount {
                let rows = view.rollingRows(ofHead: head)
                let heads = Float(view.shape.group)
                #expect(
                    rows.count == 3
                        && rows.allSatisfy { $0.count == 33 && abs($0.reduce(0, +) - heads) < 1e-4 })
                #expect(rows[0][31...].allSatisfy { $0 == 0 })
            }
        }
    }

    @Test("moments are of queries before rotation", arguments: ["llama-gqa", "qwen3", "mistral-sliding"])
    func unrotated(path: String) throws {
        let bench = try Bench(path)
        // The same token everywhere: layer 0 asks the same at every position, but for the rotation.
        let sequence = try recorded(Array(repeating: 7, count: 20), chunk: 6, bench)
        let view = sequence.view(of: 0, phase: .prefill)
        for head in 0..<view.shape.headCount {
            let moments = view.queryMoments(ofQueryHead: head)
            #expect(moments.count == 20)
            // Squares of numbers below 10 cancel to within 2⁻⁵² of themselves.
            #expect(moments.covariance.allSatisfy { abs($0) < 1e-11 })
            #expect(moments.mean.contains { abs($0) > 1e-3 })
        }
    }
}
