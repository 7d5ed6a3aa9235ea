import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletText

@Suite("Tokenizers of GGUF files as tokenizer.json")
struct TokenizerFilesTests {
    /// Writes a tokenizer into a GGUF file and out of it again.
    private static func files(
        _ name: String, in folder: TemporaryDirectory
    ) throws -> (file: Tokenizer, directory: Tokenizer, files: TokenizerFiles) {
        for file in ["tokenizer.json", "tokenizer_config.json", "tokenizer.model"] {
            guard let mapped = try? MappedFile(path: "\(TokenFixtures.directory(name))/\(file)") else {
                continue
            }
            var text = Array(mapped.bytes)
            if file == "tokenizer.json" {
                // Added tokens with such options have no place in GGUF files.
                var plain = String(decoding: text, as: UTF8.self)
                for option in ["lstrip", "rstrip", "single_word"] {
                    plain = plain.replacing("\"\(option)\": true", with: "\"\(option)\": false")
                    plain = plain.replacing("\"\(option)\":true", with: "\"\(option)\":false")
                }
                text = Array(plain.utf8)
            }
            folder.write(text, to: "old/\(file)")
        }
        folder.write("{}", to: "old/config.json")
        let old = try HuggingFaceDirectory(path: "\(folder.path)/old")
        let size = try Tokenizer.load(directory: old.path).vocabularySize
        let metadata = try GGUFTokenizerExport.metadata(of: old, vocabularySize: size)
        try GGUFWriter(path: "\(folder.path)/x.gguf", metadata: metadata, tensors: []).finish()
        let gguf = try GGUFFile(path: "\(folder.path)/x.gguf")
        let found = try #require(try TokenizerFiles(gguf, contextLength: 64))
        for file in found.files { folder.write(file.bytes, to: "new/\(file.name)") }
        return (
            try Tokenizer.load(gguf: gguf), try Tokenizer.load(directory: "\(folder.path)/new"), found
        )
    }

    @Test("give the same tokens and texts", arguments: ["gpt2", "llama3", "qwen2", "spm-bpe"])
    func sameTokens(name: String) throws {
        let folder = TemporaryDirectory()
        let (file, directory, files) = try Self.files(name, in: folder)
        #expect(directory.vocabularySize == file.vocabularySize)
        if let bos = files.bos { #expect(directory.bos == TokenID(bos)) }
        for text in TokenFixtures.texts {
            let shown = "\(String(decoding: text, as: UTF8.self).debugDescription)"
            for special in [true, false] {
                let expected = file.encode(text, addSpecial: special, parseSpecial: true)
                #expect(
                    directory.encode(text, addSpecial: special, parseSpecial: true) == expected, "\(shown)")
                let (a, b): ([UInt8], [UInt8]) = (
                    directory.decode(expected, skipSpecial: true), file.decode(expected, skipSpecial: true)
                )
                #expect(a == b, "\(shown)")
            }
        }
    }

    @Test("a file without a tokenizer has no files, one of another kind is refused")
    func others() throws {
        let folder = TemporaryDirectory()
        for (kind, isRefused) in [("none", false), ("t5", true), ("bert", true)] {
            let path = "\(folder.path)/\(kind).gguf"
            let metadata = [(key: "tokenizer.ggml.model", value: GGUFValue(kind))]
            try GGUFWriter(path: path, metadata: metadata, tensors: []).finish()
            let file = try GGUFFile(path: path)
            if isRefused {
                expectError(.unsupported, kind) { try TokenizerFiles(file, contextLength: 1) }
            } else {
                #expect(try TokenizerFiles(file, contextLength: 1).map(\.files.count) == nil)
            }
        }
    }
}
