import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Sliding windows drop what no query sees any more")
struct WindowTests {
    private static let window = 8
    private static let length = 700

    @Test(
        "rows leave in blocks, with their memory, and change no bit",
        arguments: ["mistral-sliding", "gemma2"])
    func rows(path: String) throws {
        let bench = try Bench(path)
        let ids = SeamModels.prompt(Self.length)
        let whole = try bench.sequence()
        let expected = try bench.logits(ids, whole, chunk: Self.length)
        for chunk in [64, 300] {
            let sequence = try bench.sequence()
            #expect(try bench.logits(ids, sequence, chunk: chunk) == expected, "chunks of \(chunk)")
            try check(sequence)
        }
        let decoded = try bench.sequence()
        let first = try bench.logits(Array(ids[..<500]), decoded)
        #expect(try first + bench.decodeEach(Array(ids[500...]), decoded) == expected)
        try check(decoded)
    }

    private func check(_ sequence: KVSequence) throws {
        let bound = Self.window + Kernels.blockRows
        for (layer, shape) in sequence.layout.layers.enumerated() {
            let positions = sequence.positions(layer: layer, head: 0)
            guard let window = shape.window else {
                #expect(positions.count == Self.length)
                continue
            }
            #expect(positions.count < bound && positions.last == Int32(Self.length - 1))
            #expect(positions.count >= window - 1)
            let page = KVPage.rowCapacity
            let most = (bound + page - 1) / page * sequence.slot(of: layer).pageBytesOfAllHeads
            #expect(sequence.slot(of: layer).heldBytes <= most + 64)
        }
    }

    @Test("going back is possible as far as the rows reach")
    func truncation() throws {
        try Bench("mistral-sliding").expectTruncation(of: SeamModels.prompt(Self.length), to: 600, notTo: 400)
    }

    @Test("tokens that may be taken back push nothing out")
    func verification() throws {
        let bench = try Bench("mistral-sliding")
        let sequence = try bench.sequence()
        let ids = SeamModels.prompt(300)
        let first = try bench.logits(Array(ids[..<250]), sequence)
        try bench.runner.prefill(
            Array(repeating: 5, count: 100), sequence, chunk: 16, phase: .verify, wanted: .none)
        try sequence.truncate(to: 250)
        let fresh = try bench.sequence()
        #expect(try first + bench.logits(Array(ids[250...]), sequence) == bench.logits(ids, fresh))
    }
}
