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
        let bench = Bench(try ModelFixture.model(path), activations: .exact)
        for prompt in fixture.prompts {
            let found = try bench.logits(prompt.ids, bench.sequence())
            #expect(largestDifference(found, prompt.logits) <= Self.tolerance, "\(prompt.ids.count) tokens")
        }
    }

    @Test("greedy continuation token by token", arguments: ModelFixture.all.map(\.path))
    func greedy(path: String) throws {
        let fixture = try ModelFixture(try #require(ModelFixture.all.first { $0.path == path }).name)
        let bench = Bench(try ModelFixture.model(path), activations: .exact)
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
            let bench = Bench(try ModelFixture.model(path), kernels: kernels, activations: .exact)
            for prompt in fixture.prompts {
                let found = try bench.logits(prompt.ids, bench.sequence())
                #expect(largestDifference(found, prompt.logits) <= Self.tolerance, "\(path)")
            }
        }
    }
}

@Suite("Quantised activations")
struct QuantizedActivationsTests {
    private static let path = "gguf/llama-q8_0.gguf"

    private func fixture() throws -> ModelFixture {
        try ModelFixture(try #require(ModelFixture.all.first { $0.path == Self.path }).name)
    }

    /// A number is off by at most half a scale, 1/254 of its block's largest: evenly spread, that is 1/(254·√3)
    /// of the largest and, as the largest of 32 is about 3 times their root mean square, 0.7 % of that. The
    /// four inputs of every layer and that of the output matrix add like independent errors; attention and
    /// gates may magnify them some times, for which we allow five. Compared as root mean squares.
    @Test("move logits by no more than their roundings can", arguments: Kernels.available.map(\.name))
    func deviation(name: String) throws {
        let fixture = try fixture()
        let bench = Bench(try ModelFixture.model(Self.path), kernels: try Kernels.selected(named: name))
        let inputs = Float(4 * bench.model.configuration.layerCount + 1)
        for prompt in fixture.prompts {
            let found = try bench.logits(prompt.ids, bench.sequence()).flatMap { $0 }
            let expected = prompt.logits.flatMap { $0 }
            let share = size(zip(found, expected).map { $0 - $1 }) / size(expected)
            #expect(share <= 5 * 0.007 * inputs.squareRoot())
            #expect(share > 1e-4, "products were not quantised")
        }
    }

    /// The root mean square.
    private func size(_ x: [Float]) -> Float { (x.reduce(0) { $0 + $1 * $1 } / Float(x.count)).squareRoot() }

    @Test("give the greedy continuation", arguments: Kernels.available.map(\.name))
    func greedy(name: String) throws {
        let fixture = try fixture()
        let bench = Bench(try ModelFixture.model(Self.path), kernels: try Kernels.selected(named: name))
        let sequence = try bench.sequence()
        var next = try #require(bench.logits(fixture.greedyPrompt, sequence).last).likeliest
        var ids: [Int32] = []
        while ids.count < fixture.greedyIDs.count {
            ids.append(next)
            try bench.runner.decode([(sequence, next)]) { next = Array($1).likeliest }
        }
        #expect(ids == fixture.greedyIDs)
    }
}

extension [Float] {
    /// The index of the largest element.
    var likeliest: Int32 { Int32(indices.max { self[$0] < self[$1] } ?? 0) }
}
