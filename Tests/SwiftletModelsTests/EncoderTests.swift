import SwiftletTensor
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Encoders agree with the reference implementation")
struct EncoderTests {
    static let checkpoints: [(path: String, name: String)] = [
        ("bert", "bert"), ("roberta", "roberta"), ("nomic-bert", "nomic-bert"),
        ("modernbert", "modernbert"), ("gguf/bert.gguf", "bert"), ("gguf/modernbert.gguf", "modernbert"),
    ]

    @Test("the states of all tokens", arguments: checkpoints.map(\.path))
    func states(path: String) throws {
        let fixture = try ModelFixture(try #require(Self.checkpoints.first { $0.path == path }).name)
        let bench = Bench(try ModelFixture.model(path), activations: .exact)
        for prompt in fixture.prompts {
            let found = try Self.states(prompt.ids, bench)
            #expect(
                largestDifference(found, prompt.logits) <= ParityTests.tolerance, "\(prompt.ids.count) tokens"
            )
        }
    }

    /// The rows behind the last layer.
    static func states(_ ids: [Int32], _ bench: Bench) throws -> [[Float]] {
        try bench.runner.withStates(of: ids, bench.sequence()) { states in
            (0..<states.rows).map {
                Array(UnsafeBufferPointer(start: states[row: $0], count: states.columns))
            }
        }
    }

    @Test("a position that has no embedding is refused")
    func positions() throws {
        let bench = Bench(try ModelFixture.model("bert"))
        let error = #expect(throws: SwiftletError.self) {
            try bench.runner.withStates(of: Array(repeating: 3, count: 65), bench.sequence()) { _ in }
        }
        #expect(error?.code == .limit)
    }
}
