import Foundation
import SwiftletFormats
import SwiftletModels
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletEngine

@Suite("Export with a tokenizer")
struct GGUFExportTokenizerTests {
    private static let fixtures = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent()
        .appending(path: "SwiftletModelsTests/Fixtures").path

    @Test("a model without a tokenizer has no such keys")
    func withoutTokenizer() throws {
        let source = try ModelSource(.directory("\(Self.fixtures)/smollm2"))
        let export = try GGUFExport(source) { _ in .q8_0 }
        #expect(!export.metadata.contains { $0.key.hasPrefix("tokenizer.") })
        #expect(export.metadata.first?.key == "general.architecture")
    }

    @Test("how states become an embedding comes along", arguments: [Pooling.mean, .cls, .last])
    func pooling(pooling: Pooling) throws {
        let folder = TemporaryDirectory()
        for file in ["config.json", "model.safetensors"] {
            let mapped = try MappedFile(path: "\(Self.fixtures)/bert/\(file)")
            folder.write(Array(mapped.bytes), to: "model/\(file)")
        }
        folder.write(#"{"pooling_mode": "\#(pooling.rawValue)"}"#, to: "model/1_Pooling/config.json")
        let path = "\(folder.path)/model.gguf"
        try GGUFExport(ModelSource(.directory("\(folder.path)/model"))) { _ in .f32 }.write(to: path)
        #expect(try EmbeddingDefaults(of: .gguf(GGUFFile(path: path))).pooling == pooling)
    }

    @Test("a vocabulary that only the configuration has is refused before it takes memory")
    func hugeVocabulary() throws {
        let folder = TemporaryDirectory()
        for file in ["config.json", "model.safetensors"] {
            let mapped = try MappedFile(path: "\(Self.fixtures)/smollm2/\(file)")
            folder.write(Array(mapped.bytes), to: file)
        }
        let path = "\(folder.path)/config.json"
        let config = try String(contentsOfFile: path, encoding: .utf8)
        let changed = config.replacing(/"vocab_size": \d+/, with: "\"vocab_size\": 268435456")
        #expect(changed != config)
        folder.write(changed, to: "config.json")
        let error = #expect(throws: SwiftletError.self) {
            _ = try GGUFExport(ModelSource(.directory(folder.path))) { _ in .f32 }
        }
        #expect(error?.code == .mismatch)
    }

    @Test("the built-in model is written anew as it is")
    func builtIn() throws {
        let folder = TemporaryDirectory()
        let path = "\(folder.path)/tales.gguf"
        let file = try BuiltInModel.file()
        try GGUFExport(.gguf(file)) { _ in nil }.write(to: path)
        let copy = try GGUFFile(path: path)
        #expect(copy.metadataKeys == file.metadataKeys)
        for name in file.tensorNames {
            let (a, b) = (
                try #require(try copy.tensor(named: name)), try #require(try file.tensor(named: name))
            )
            #expect(a.bytes.elementsEqual(b.bytes))
        }
    }
}
