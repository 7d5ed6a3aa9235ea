import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import SwiftletModels
@testable import SwiftletTensor

@Suite("Export to GGUF")
struct GGUFExportTests {
    /// Families that can be written.
    private static let written: Set<String> = [
        "gemma2-plain", "gemma3-plain", "phi3", "mixtral", "qwen2-moe-all", "qwen3-moe", "smollm3-plain",
        "olmo2",
        "granite", "gpt2-plain", "starcoder2-plain", "starcoder2", "phi3-longrope", "gpt-neox",
        "stablelm", "phi2", "cohere", "cohere-plain", "cohere2", "falcon", "falcon-new", "bloom",
        "mpt-plain", "deepseek-v2-lite",
    ]
    /// Fixtures that hold something GGUF keys of their architecture cannot say, and a part of the reason.
    static let refused =
        [
            "llama-gelu": "activation", "llama-gelu-tanh": "activation", "qwen2-sliding": "sliding windows",
            "qwen3-bias": "sliding windows", "llama-dynamic-rope": "length of the prompt",
            "gemma2": "put together", "gemma3": "put together", "phi2-norms": "put together",
            "stablelm-parallel": "put together", "falcon-alibi": "activation", "deepseek-v2": "put together",
            "mpt": "put together",
            "gpt-neox-sequential": "activation",
            "qwen2-moe": "put together", "smollm3-listed": "differs", "gpt2": "put together",
        ].merging(
            ModelFixture.families.filter { !written.contains($0) }.map { ($0, "cannot be written") }
        ) { first, _ in first }
    static let exportable = ModelFixture.directories.filter { refused[$0] == nil }

    private static func source(_ path: String) throws -> ModelSource {
        let full = "\(ModelFixture.folder)/\(path)"
        return try ModelSource(path.hasSuffix(".gguf") ? .gguf(full) : .directory(full))
    }

    private static func load(_ path: String) throws -> any LanguageModel {
        let source = try ModelSource(.gguf(path))
        return try ModelRegistry.architecture(of: source).load(source)
    }

    /// The weights are the same and every row's products are summed in the same order. Rotations differ: pairs
    /// lie side by side, so scores are summed in another order, and RoPE settings pass through single
    /// precision. Each does as much as what the reference is off itself, 2e-5.
    @Test("a directory and its f32 file give the same logits", arguments: exportable)
    func logits(name: String) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        let finished = try GGUFExport(Self.source(name), tokenizer: []) { _ in .f32 }.write(to: path)
        #expect(finished)

        let (before, after) = (Bench(try ModelFixture.model(name)), Bench(try Self.load(path)))
        for prompt in try ModelFixture(name).prompts {
            let difference = largestDifference(
                try before.logits(prompt.ids, before.sequence()),
                try after.logits(prompt.ids, after.sequence()))
            #expect(difference <= 4e-5)
        }
        let (a, b) = (before.model.configuration, after.model.configuration)
        #expect(a.windows == b.windows)
        #expect(a.tiesEmbeddings == b.tiesEmbeddings)
        #expect(a.contextLength == b.contextLength)
        #expect(a.vocabularySize == b.vocabularySize)
    }

    @Test(
        "an encoder's directory and its f32 file give the same states",
        arguments: ["bert", "roberta", "nomic-bert", "modernbert"])
    func states(name: String) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        // The fixture of RoBERTa has an activation that GGUF keys cannot say.
        for file in ["config.json", "model.safetensors"] {
            let bytes = try MappedFile(path: "\(ModelFixture.folder)/\(name)/\(file)")
            let text = String(decoding: bytes.bytes, as: UTF8.self).replacing("\"relu\"", with: "\"gelu\"")
            folder.write(file == "config.json" ? Array(text.utf8) : Array(bytes.bytes), to: "model/\(file)")
        }
        let source = try ModelSource(.directory("\(folder.path)/model"))
        try GGUFExport(source, tokenizer: []) { _ in .f32 }.write(to: path)
        let before = Bench(try ModelRegistry.architecture(of: source).load(source))
        let after = Bench(try Self.load(path))
        for prompt in try ModelFixture(name).prompts {
            let difference = largestDifference(
                try EncoderTests.states(prompt.ids, before), try EncoderTests.states(prompt.ids, after))
            #expect(difference <= 4e-5)
        }
        #expect(before.model.configuration.contextLength == after.model.configuration.contextLength)
    }

    @Test("what keys cannot say is refused with the reason", arguments: refused.keys.sorted())
    func refusals(name: String) throws {
        let error = #expect(throws: SwiftletError.self) {
            _ = try GGUFExport(Self.source(name), tokenizer: []) { _ in .f32 }
        }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(Self.refused[name] ?? "") == true, "\(error?.message ?? "")")
    }

    @Test(
        "tensors equal those of the reference converter",
        arguments: [
            "llama-gqa", "llama3-rope", "qwen2", "qwen3", "gemma2-plain", "gemma3-plain", "phi3", "mixtral",
            "qwen2-moe-all", "qwen3-moe", "smollm3-plain", "granite", "gpt2-plain", "starcoder2-plain",
            "phi3-longrope", "gpt-neox", "stablelm", "phi2", "cohere-plain", "cohere2", "falcon",
            "falcon-new", "bloom", "mpt-plain", "deepseek-v2-lite", "bert", "modernbert",
        ])
    func referenceTensors(name: String) throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        try GGUFExport(Self.source(name), tokenizer: []) { _ in .f32 }.write(to: path)
        let found = try GGUFFile(path: path)
        let expected = try GGUFFile(path: "\(ModelFixture.folder)/gguf/\(name).gguf")
        #expect(Set(found.tensorNames) == Set(expected.tensorNames))
        for tensor in expected.tensorNames {
            let (a, b) = (
                try #require(try found.tensor(named: tensor)),
                try #require(try expected.tensor(named: tensor))
            )
            #expect(a.shape == b.shape)
            if tensor == "rope_freqs.weight" {
                // Both are rounded from double precision, by two formulas.
                #expect(largestDifference([try a.floats()], [try b.floats()]) <= 1e-6)
            } else {
                #expect(a.bytes.elementsEqual(b.bytes), "\(tensor)")
            }
        }
        // Names for people, a context that only scaled rotations go by, what the reference takes from elsewhere
        // where the configuration has no entry, and keys that readers of encoders do not ask for.
        let skipped = [
            "general.name", "general.size_label", "phi3.rope.scaling.original_context_length",
            "bloom.context_length", "bert.attention.head_count_kv", "modern-bert.attention.head_count_kv",
            "bert.attention.layer_norm_rms_epsilon", "modern-bert.classifier.pooling_type",
        ]
        for key in expected.metadataKeys where !key.hasPrefix("tokenizer.") && !skipped.contains(key) {
            let (a, b) = (found[key], try #require(expected[key]))
            #expect(a?.double == b.double && a?.string == b.string, "\(key)")
        }
    }

    @Test("Q8_0 holds the bytes of the quantiser, in rows that rotate together")
    func quantized() throws {
        let folder = TemporaryDirectory()
        let (plain, small) = ("\(folder.path)/f32.gguf", "\(folder.path)/q8.gguf")
        let shape = SyntheticWeights.directory(in: folder)
        try GGUFExport(ModelSource(.directory(shape)), tokenizer: []) { _ in nil }.write(to: plain)
        let export = try GGUFExport(ModelSource(.directory(shape)), tokenizer: []) { _ in .q8_0 }
        try export.write(to: small)
        let (before, after) = (try GGUFFile(path: plain), try GGUFFile(path: small))
        #expect(after["general.file_type"]?.int == 7)
        #expect(export.items.contains { $0.format == .f16 && $0.note != nil })
        for item in export.items where item.format == .q8_0 {
            let floats = try #require(try before.tensor(named: item.weight.name)).floats()
            let bytes = try #require(Reference.quantize(.q8_0, floats))
            #expect(try #require(try after.tensor(named: item.weight.name)).bytes.elementsEqual(bytes))
        }
    }

    @Test("a GGUF file keeps its keys and its other tensors")
    func requantized() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/model.gguf"
        let original = try GGUFFile(path: "\(ModelFixture.folder)/gguf/llama-q8_0.gguf")
        let export = try GGUFExport(.gguf(original), tokenizer: []) {
            $0.name == "output.weight" ? nil : .q4_0
        }
        try export.write(to: path)
        let copy = try GGUFFile(path: path)
        #expect(copy.metadataKeys == original.metadataKeys)
        #expect(copy.tensorNames == original.tensorNames)
        #expect(copy["general.file_type"]?.int == 2)
        #expect(copy["tokenizer.ggml.tokens"]?.strings() == original["tokenizer.ggml.tokens"]?.strings())
        #expect(try copy.tensor(named: "output_norm.weight")?.format == .f32)
        #expect(try copy.tensor(named: "blk.0.ffn_up.weight")?.format == .q4_0)
    }

    @Test("unchanged formats copy the file byte for byte")
    func copied() throws {
        let folder = TemporaryDirectory()
        let original = "\(ModelFixture.folder)/gguf/llama-q8_0.gguf"
        try GGUFExport(ModelSource(.gguf(original)), tokenizer: []) { _ in nil }
            .write(to: "\(folder.path)/model.gguf")
        let (a, b) = (try MappedFile(path: original), try MappedFile(path: "\(folder.path)/model.gguf"))
        #expect(a.bytes.elementsEqual(b.bytes))
    }

    @Test("formats without a writer are refused")
    func unwritable() throws {
        #expect(throws: SwiftletError.self) {
            _ = try GGUFExport(Self.source("smollm2"), tokenizer: []) { _ in .i8 }
        }
    }

    @Test("cancelling leaves no file", arguments: [0, 1, 5])
    func cancelled(calls: Int) throws {
        let folder = TemporaryDirectory()
        var count = 0
        let export = try GGUFExport(Self.source("smollm2"), tokenizer: []) { _ in .f16 }
        let finished = try export.write(to: "\(folder.path)/model.gguf") { done, total in
            #expect(done <= total)
            count += 1
            return count <= calls
        }
        #expect(!finished)
        #expect(try System.names(in: folder.path).isEmpty)
    }

    @Test("sampling settings become keys")
    func sampling() throws {
        let folder = TemporaryDirectory()
        func keys(_ json: String) throws -> [String: Double] {
            folder.write(json, to: "generation_config.json")
            let entries = try GGUFSamplingKeys.entries(of: HuggingFaceDirectory(path: folder.path))
            return Dictionary(
                uniqueKeysWithValues: entries.map {
                    ($0.key.split(separator: ".").last.map(String.init) ?? "", $0.value.double ?? -1)
                })
        }
        #expect(try keys(#"{"do_sample": false, "temperature": 0.7}"#) == ["temp": 0])
        let defaults = try keys(#"{"do_sample": true}"#)
        #expect(defaults == ["temp": 1, "top_k": 50, "top_p": 1, "min_p": 0])
        let given = try keys(
            #"{"do_sample": true, "temperature": 0.5, "top_k": null, "repetition_penalty": 2}"#)
        #expect(given["temp"] == 0.5 && given["top_k"] == 50)
        #expect(given["penalty_repeat"] == 2 && given["penalty_last_n"] == -1)
        #expect(throws: SwiftletError.self) { try keys(#"{"do_sample": "yes"}"#) }
    }

    @Test("rows of a size that f16 cannot hold are refused")
    func overflow() throws {
        let tensor = Tensor(shape: [2, 2], floats: [1, 65_519, 70_000, 3])
        #expect(throws: SwiftletError.self) {
            _ = try TensorConverter(tensor, to: .f16, name: "w").forEachPiece { _, _ in true }
        }
    }
}
