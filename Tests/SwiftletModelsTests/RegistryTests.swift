import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletCache
@testable import SwiftletModels

@Suite("Loading models")
struct RegistryTests {
    /// Tensors of every kind, by checkpoint.
    static let tensors = [
        ("qwen3", "model.embed_tokens.weight"), ("qwen3", "model.layers.0.input_layernorm.weight"),
        ("qwen3", "model.layers.1.self_attn.q_proj.weight"),
        ("qwen3", "model.layers.0.self_attn.k_norm.weight"),
        ("qwen3", "model.layers.1.mlp.down_proj.weight"), ("qwen3", "model.norm.weight"),
        ("llama-mha", "lm_head.weight"), ("llama-bias", "model.layers.1.self_attn.o_proj.bias"),
        ("llama-bias", "model.layers.0.mlp.up_proj.bias"), ("qwen2", "model.layers.1.self_attn.v_proj.bias"),
    ]

    /// The error of loading a checkpoint with one tensor changed.
    private func error(
        _ path: String, _ name: String, _ change: (Tensor) throws -> Tensor?
    ) throws -> SwiftletError? {
        let folder = TemporaryDirectory()
        try Checkpoint(path).write(to: folder) { $0 == name ? try? change($1) : $1 }
        return #expect(throws: SwiftletError.self) { try loadModel(directory: folder.path) }
    }

    @Test("a checkpoint that is written again loads to the same model")
    func unchanged() throws {
        let folder = TemporaryDirectory()
        try Checkpoint("qwen3").write(to: folder)
        let (found, expected) = (try Bench(directory: folder.path), try Bench("qwen3"))
        let ids = SeamModels.prompt(9)
        #expect(try found.logits(ids, found.sequence()) == expected.logits(ids, expected.sequence()))
        #expect(found.model.weights.map(\.name) == expected.model.weights.map(\.name))
    }

    @Test("a missing tensor is named", arguments: tensors)
    func missing(path: String, name: String) throws {
        let error = try #require(error(path, name) { _ in nil })
        #expect(error.code == .missing && error.message.contains("'\(name)'"), "\(error)")
    }

    @Test("a tensor of another shape is named with both shapes", arguments: tensors)
    func shapes(path: String, name: String) throws {
        let source = try SafetensorsCheckpoint(directory: Checkpoint(path).path)
        let original = try #require(try source.tensor(named: name))
        var shape = original.shape
        shape[0] += 1
        for wrong in [shape, shape + [1], [original.elementCount] + (shape.count == 1 ? [1] : [])] {
            let error = try #require(
                error(path, name) { _ in
                    Tensor(shape: wrong, floats: Array(repeating: 0, count: wrong.reduce(1, *)))
                })
            #expect(error.code == .mismatch)
            for part in [name, "\(wrong)", "\(original.shape)"] {
                #expect(error.message.contains(part), "\(error)")
            }
        }
    }

    @Test("matrices of formats without kernels are named", arguments: [NumberFormat.i8, .i32, .f64])
    func formats(format: NumberFormat) throws {
        let (path, name) = ("qwen3", "model.layers.1.mlp.up_proj.weight")
        let error = try #require(
            error(path, name) { tensor in
                let bytes = tensor.elementCount * format.blockBytes
                return Tensor(shape: tensor.shape, format: format, copying: Array(repeating: 0, count: bytes))
            })
        #expect(error.code == .unsupported)
        #expect(error.message.contains(name) && error.message.contains(format.rawValue), "\(error)")
    }

    /// Whatever happens to a file, loading it succeeds or throws; a model that loads also runs.
    private func survives(_ load: () throws -> any LanguageModel) throws -> Bool {
        do {
            let bench = Bench(try load(), threads: 1)
            let vocabulary = Int32(bench.model.configuration.vocabularySize)
            _ = try bench.logits([1, 2, 0].filter { $0 < vocabulary }, bench.sequence(format: .f16))
            return true
        } catch let error as SwiftletError {
            #expect(!error.message.isEmpty)
            return false
        }
    }

    @Test(
        "a damaged config.json loads or is refused",
        arguments: ["llama-yarn", "mistral-sliding", "qwen2-sliding", "qwen3-bias"], 0..<4 as Range<UInt64>)
    func damagedConfiguration(path: String, seed: UInt64) throws {
        let folder = TemporaryDirectory()
        let checkpoint = Checkpoint(path)
        try checkpoint.write(to: folder)
        let original = try checkpoint.config()
        var mutator = Mutator(seed: seed)
        for _ in 0..<40 {
            folder.write(mutator.mutate(original), to: "config.json")
            _ = try survives { try loadModel(directory: folder.path) }
        }
    }

    /// Bytes at random mostly break the JSON; here the values are replaced, which always leaves JSON.
    @Test(
        "any value under any key loads or is refused",
        arguments: ["llama-yarn", "qwen3-bias"])
    func replacedValues(path: String) throws {
        let folder = TemporaryDirectory()
        let checkpoint = Checkpoint(path)
        try checkpoint.write(to: folder)
        let lines = String(decoding: try checkpoint.config(), as: UTF8.self).split(separator: "\n")
        let values = [
            "0", "1", "-1", "2.5", "9223372036854775807", "-9223372036854775808", "4294967296", "1e308",
            "1e-320",
            "NaN", "null", "true", "\"\"", "[]", "{}", "[1, \"a\"]",
        ]
        var loaded = 0
        for index in lines.indices {
            guard let colon = lines[index].range(of: "\": "), !lines[index].hasSuffix("["),
                !lines[index].hasSuffix("{")
            else { continue }
            for value in values {
                var changed = lines
                let comma = lines[index].hasSuffix(",") ? "," : ""
                changed[index] = lines[index][..<colon.upperBound] + value + comma
                folder.write(changed.joined(separator: "\n"), to: "config.json")
                if try survives({ try loadModel(directory: folder.path) }) { loaded += 1 }
            }
        }
        #expect(loaded > 0)
    }

    @Test(
        "a damaged GGUF file loads or is refused", arguments: ["llama-gqa", "qwen3"], 0..<4 as Range<UInt64>)
    func damagedGGUF(name: String, seed: UInt64) throws {
        let folder = TemporaryDirectory()
        let original = try Array(Data(contentsOf: URL(filePath: "\(ModelFixture.folder)/gguf/\(name).gguf")))
        var mutator = Mutator(seed: seed)
        for _ in 0..<25 {
            let path = folder.write(mutator.mutate(original), to: "model.gguf")
            _ = try survives {
                let source = try ModelSource(.gguf(path))
                return try ModelRegistry.architecture(of: source).load(source)
            }
        }
    }
}
