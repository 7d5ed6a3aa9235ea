import Foundation
import SwiftletFormats
import SwiftletTestSupport
import Testing

@testable import SwiftletModels
@testable import SwiftletTensor

@Suite("Export to directories")
struct DirectoryExportTests {
    static let exportable = [
        "llama-gqa", "llama3-rope", "qwen2", "qwen3", "gemma2-plain", "gemma3-plain", "granite",
        "smollm3-plain", "starcoder2-plain", "mixtral", "qwen2-moe-all", "qwen3-moe", "phi3", "phi3-longrope",
        "gpt2-plain", "gpt-neox", "phi2", "stablelm", "cohere-plain", "cohere2",
    ]

    private static func load(_ location: ModelLocation) throws -> any LanguageModel {
        let source = try ModelSource(location)
        return try ModelRegistry.architecture(of: source).load(source)
    }

    /// As for files: weights are the same, but the rows of heads whose pairs lie side by side are summed in another
    /// order, and some constants have passed through single precision.
    @Test("a file and its f32 directory give the same logits", arguments: exportable)
    func logits(name: String) throws {
        let folder = TemporaryDirectory()
        let path = "\(ModelFixture.folder)/gguf/\(name).gguf"
        let export = try DirectoryExport(try GGUFFile(path: path), format: .f32)
        #expect(try export.write(to: "\(folder.path)/model"))
        let before = Bench(try Self.load(.gguf(path)))
        let after = Bench(try Self.load(.directory("\(folder.path)/model")))
        for prompt in try ModelFixture(name).prompts {
            let difference = largestDifference(
                try before.logits(prompt.ids, before.sequence()),
                try after.logits(prompt.ids, after.sequence()))
            #expect(difference <= 4e-5)
        }
    }

    @Test(
        "a directory that went through a file has its tensors back, bit by bit",
        arguments: [
            "llama-gqa", "qwen3", "gemma2-plain", "mixtral", "qwen2-moe-all", "qwen3-moe", "phi3",
            "gpt2-plain",
            "gpt-neox", "phi2", "stablelm", "cohere-plain",
        ])
    func roundTrip(name: String) throws {
        let folder = TemporaryDirectory()
        let original = "\(ModelFixture.folder)/\(name)"
        let file = "\(folder.path)/model.gguf"
        try GGUFExport(ModelSource(.directory(original)), tokenizer: []) { _ in .f32 }.write(to: file)
        #expect(try DirectoryExport(try GGUFFile(path: file)).write(to: "\(folder.path)/model"))
        let before = try SafetensorsCheckpoint(directory: original)
        let after = try SafetensorsCheckpoint(directory: "\(folder.path)/model")
        #expect(Set(before.tensorNames) == Set(after.tensorNames))
        for tensor in before.tensorNames {
            let (a, b) = (
                try #require(try before.tensor(named: tensor)), try #require(try after.tensor(named: tensor))
            )
            #expect(a.shape == b.shape)
            // 1 is added to Gemma's norms and taken away again.
            #expect(
                largestDifference([try a.floats()], [try b.floats()]) <= (name.hasPrefix("gemma") ? 1e-6 : 0))
        }
    }

    @Test(
        "architectures whose writing is not known are refused by name",
        arguments: ["bloom", "mpt-plain", "falcon", "deepseek-v2-lite"])
    func refusals(name: String) throws {
        let file = try GGUFFile(path: "\(ModelFixture.folder)/gguf/\(name).gguf")
        expectError(.unsupported, "cannot be written") { try DirectoryExport(file) }
    }

    @Test("nothing is left of a directory that was not finished")
    func stopped() throws {
        let folder = TemporaryDirectory()
        let export = try DirectoryExport(try GGUFFile(path: "\(ModelFixture.folder)/gguf/qwen2.gguf"))
        #expect(try export.write(to: "\(folder.path)/model") { done, _ in done == 0 } == false)
        #expect(try System.names(in: folder.path).isEmpty)
        folder.write("x", to: "model/file")
        expectError(.unwritable, "model") { try export.write(to: "\(folder.path)/model") }
        #expect(try System.names(in: folder.path) == ["model"])
    }
}
