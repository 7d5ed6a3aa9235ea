import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

@testable import SwiftletEngine

@Suite("Models of random weights")
struct SyntheticModelTests {
    private static let small = "hidden=64,layers=2,heads=4,kv-heads=2,inner=96"

    @Test(
        "load and keep activations finite", arguments: SyntheticModel.Architecture.allCases,
        [NumberFormat.f32, .f16, .bf16, .q8_0, .q4_0])
    func loads(architecture: SyntheticModel.Architecture, format: NumberFormat) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        let model = SyntheticModel(architecture, try SyntheticShape(Self.small), format: format)
        #expect(try model.write(to: path))

        let source = try ModelSource(.gguf(path))
        let loaded = try ModelRegistry.architecture(of: source).load(source)
        #expect(loaded.configuration.hiddenSize == 64)
        #expect(loaded.configuration.windows.first == (architecture == .mistral ? 4_096 : Int?.none))
        #expect(loaded.weights.contains { $0.tensor.format == format })
        let bytes = loaded.weights.reduce(0) { $0 + $1.tensor.bytes.count }
        #expect(try model.byteCount() == bytes)
        for weight in loaded.weights {
            #expect(try weight.tensor.floats().allSatisfy(\.isFinite), "\(weight.name)")
        }
    }

    @Test("write text by the built-in tokenizer", arguments: [2_048, 3_000])
    func generates(vocabulary: Int) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        let shape = try SyntheticShape("\(Self.small),vocab=\(vocabulary)")
        try SyntheticModel(.llama, shape, format: .q8_0).write(to: path)
        let model = try Model.load(path)
        let tokenizer = try #require(model.tokenizer)
        #expect(tokenizer.vocabularySize == vocabulary)
        let built = try Tokenizer.load(gguf: BuiltInModel.file())
        #expect(tokenizer.encode("Once upon a time") == built.encode("Once upon a time"))
    }

    @Test("give finite logits that differ between tokens", arguments: SyntheticModel.Architecture.allCases)
    func logits(architecture: SyntheticModel.Architecture) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        try SyntheticModel(architecture, SyntheticShape(Self.small), format: .q4_0).write(to: path)
        let session = try Session(try Model.load(path))
        for token in [1, 900, 17] as [TokenID] {
            let logits = try #require(try session.feed([token]))
            #expect(logits.count == 2_048)
            #expect(!logits.contains { !$0.isFinite })
            #expect(Set(logits).count > 1_000)
        }
    }

    @Test("the seed decides the weights, not the format")
    func seeds() throws {
        let folder = TemporaryDirectory()
        func weights(_ format: NumberFormat, _ seed: UInt64) throws -> [Float] {
            let path = "\(folder.path)/model.gguf"
            try SyntheticModel(.llama, SyntheticShape(Self.small), format: format, seed: seed).write(to: path)
            return try #require(try GGUFFile(path: path).tensor(named: "blk.1.ffn_up.weight")).floats()
        }
        let (a, b, c) = (try weights(.f32, 1), try weights(.f32, 1), try weights(.f32, 2))
        #expect(a == b)
        #expect(a != c)
        #expect(
            try weights(.q8_0, 1) == Reference.dequantize(.q8_0, try #require(Reference.quantize(.q8_0, a))))
    }

    @Test("numbers have the asked mean and deviation")
    func distribution() {
        var numbers = [Float](repeating: 0, count: 40_000)
        var weights = RandomWeights(seed: 3, stream: 1)
        numbers.withUnsafeMutableBufferPointer { weights.fill($0, deviation: 0.5) }
        let mean = numbers.reduce(0) { $0 + Double($1) } / 40_000
        let square = numbers.reduce(0) { $0 + Double($1) * Double($1) } / 40_000
        // Four standard errors: 0.5/200 for the mean; the square's is below 0.25·√2/200.
        #expect(abs(mean) < 0.01)
        #expect(abs(square - 0.25) < 0.0071)
        #expect(numbers.allSatisfy { abs($0) <= 0.5 * 3.4642 })
    }

    @Test("shapes by name have the published sizes")
    func names() throws {
        let expected = ["15m": 15, "135m": 134, "360m": 361, "1b": 1_235, "1.1b": 1_100, "7b": 6_738]
        for name in SyntheticShape.names {
            let model = SyntheticModel(.llama, try SyntheticShape(name), format: .f32)
            #expect(try model.byteCount() / 4_000_000 == expected[name], "\(name)")
        }
        let changed = try SyntheticShape("135m,layers=2,context=512")
        #expect(changed.layerCount == 2 && changed.hiddenSize == 576 && changed.contextLength == 512)
    }

    @Test(
        "wrong shapes are refused",
        arguments: [
            "", "2b", "hidden=64", "hidden=64,layers=2,heads=0", "hidden=64,layers=2,heads=4,heads=4",
            "hidden=x,layers=1,heads=1", "hidden=64,layers=2,heads=4,depth=3", "135m,", "135m,tied=2",
            "hidden=99999999999999999999,layers=1,heads=1", "hidden=64,layers=1,heads=4,kv-heads=3",
            "hidden=4,layers=1,heads=64", "hidden=64,layers=1,heads=4,vocab=100",
            "hidden=64,layers=1,heads=4,vocab=99999999",
            "hidden=64,layers=99999,heads=4", "hidden=15,layers=1,heads=5",
        ])
    func wrong(text: String) throws {
        let folder = TemporaryDirectory()
        #expect(throws: SwiftletError.self) {
            try SyntheticModel(.llama, SyntheticShape(text), format: .f32).write(to: "\(folder.path)/m.gguf")
        }
        #expect(throws: SwiftletError.self) { try GGUFFile(path: "\(folder.path)/m.gguf") }
    }

    @Test("cancelling leaves no file")
    func cancelled() throws {
        let folder = TemporaryDirectory()
        let model = SyntheticModel(.llama, try SyntheticShape(Self.small), format: .f16)
        var calls = 0
        let finished = try model.write(to: "\(folder.path)/m.gguf") { _, _ in
            calls += 1
            return calls < 4
        }
        #expect(!finished)
        #expect(throws: SwiftletError.self) { try GGUFFile(path: "\(folder.path)/m.gguf") }
    }
}
