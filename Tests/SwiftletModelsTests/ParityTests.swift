import Testing

@testable import SwiftletCache
@testable import SwiftletModels
@testable import SwiftletTensor

@Suite("Logits agree with the reference implementation")
struct ParityTests {
    /// The reference itself is off by at most 2e-5 against double precision; 1e-4 is what we promise, and the
    /// least visible mistake moves some logit by 1.9e-3.
    static let tolerance: Float = 1e-4

    @Test("all positions of every prompt", arguments: ModelFixture.all.map(\.path))
    func logits(path: String) throws {
        let fixture = try ModelFixture(try #require(ModelFixture.all.first { $0.path == path }).name)
        let bench = Bench(try ModelFixture.model(path))
        for prompt in fixture.prompts {
            let found = try bench.logits(prompt.ids, bench.sequence())
            #expect(largestDifference(found, prompt.logits) <= Self.tolerance, "\(prompt.ids.count) tokens")
        }
    }

    @Test("greedy continuation token by token", arguments: ModelFixture.all.map(\.path))
    func greedy(path: String) throws {
        let fixture = try ModelFixture(try #require(ModelFixture.all.first { $0.path == path }).name)
        let bench = Bench(try ModelFixture.model(path))
        let sequence = try bench.sequence()
        var next = try #require(bench.logits(fixture.greedyPrompt, sequence).last).likeliest
        var ids: [Int32] = []
        while ids.count < fixture.greedyIDs.count {
            ids.append(next)
            try bench.runner.decode([(sequence, next)]) { next = Array($1).likeliest }
        }
        #expect(ids == fixture.greedyIDs)
    }

    @Test("every instruction set", arguments: Kernels.available.map(\.name))
    func instructionSets(name: String) throws {
        let kernels = try Kernels.selected(named: name)
        for path in ["llama-gqa", "mistral-sliding", "qwen3", "gguf/llama-q8_0.gguf"] {
            let fixture = try ModelFixture(try #require(ModelFixture.all.first { $0.path == path }).name)
            let bench = Bench(try ModelFixture.model(path), kernels: kernels)
            for prompt in fixture.prompts {
                let found = try bench.logits(prompt.ids, bench.sequence())
                #expect(largestDifference(found, prompt.logits) <= Self.tolerance, "\(path)")
            }
        }
    }
}

extension [Float] {
    /// The index of the largest element.
    var likeliest: Int32 { Int32(indices.max { self[$0] < self[$1] } ?? 0) }
}
