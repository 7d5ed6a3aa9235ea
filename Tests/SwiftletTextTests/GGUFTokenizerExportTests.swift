import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletText

@Suite("Tokenizers in GGUF files")
struct GGUFTokenizerExportTests {
    /// A directory with the files of a fixture and a config.json; added tokens swallow no spaces, unless
    /// `asIs`.
    private static func copy(
        _ name: String, into folder: TemporaryDirectory, asIs: Bool = false
    ) throws -> HuggingFaceDirectory {
        for file in ["tokenizer.json", "tokenizer_config.json", "tokenizer.model"] {
            let path = "\(TokenFixtures.directory(name))/\(file)"
            guard let mapped = try? MappedFile(path: path) else { continue }
            var bytes = Array(mapped.bytes)
            if file == "tokenizer.json", !asIs {
                var text = String(decoding: bytes, as: UTF8.self)
                for option in ["lstrip", "rstrip", "single_word"] {
                    text = text.replacingOccurrences(of: "\"\(option)\": true", with: "\"\(option)\": false")
                    text = text.replacingOccurrences(of: "\"\(option)\":true", with: "\"\(option)\":false")
                }
                bytes = Array(text.utf8)
            }
            folder.write(bytes, to: "\(name)/\(file)")
        }
        folder.write("{}", to: "\(name)/config.json")
        return try HuggingFaceDirectory(path: "\(folder.path)/\(name)")
    }

    private static func exported(
        _ directory: HuggingFaceDirectory, in folder: TemporaryDirectory
    ) throws -> (file: GGUFFile, tokenizer: Tokenizer) {
        let size = try Tokenizer.load(directory: directory.path).vocabularySize + 3
        let metadata = try GGUFTokenizerExport.metadata(of: directory, vocabularySize: size)
        let path = "\(folder.path)/tokenizer.gguf"
        try GGUFWriter(path: path, metadata: metadata, tensors: []).finish()
        let file = try GGUFFile(path: path)
        #expect(file["tokenizer.ggml.tokens"]?.count == size)
        return (file, try Tokenizer.load(gguf: file))
    }

    @Test(
        "splittings are known by what they do",
        arguments: [
            (#"[{"type":"Split","pattern":{"Regex":" ?[^(\\s|[.,!?…。，、।۔،])]+"}}]"#, "poro-chat"),
            (
                #"[{"type":"Split","pattern":{"Regex":"[\r\n]"}},{"type":"Split","pattern":{"Regex":"\\s?\\p{L}+"}},"#
                    + #"{"type":"Split","pattern":{"Regex":"\\s?\\p{P}+"}},"#
                    + #"{"type":"Split","pattern":{"Regex":"[一-龥ࠀ-一가-\uD7FF]+"}},"#
                    + #"{"type":"Digits","individual_digits":true}]"#, "deepseek-coder"
            ),
        ])
    func splittings(steps: String, name: String) throws {
        let folder = TemporaryDirectory()
        let directory = try Self.copy("gpt2", into: folder)
        let path = "\(directory.path)/tokenizer.json"
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(filePath: path)))
        var whole = try #require(json as? [String: Any])
        var list = try #require(JSONSerialization.jsonObject(with: Data(steps.utf8)) as? [[String: Any]])
        for index in list.indices where list[index]["pattern"] != nil {
            list[index]["behavior"] = "Isolated"
            list[index]["invert"] = false
        }
        list.append(
            ["type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false])
        whole["pre_tokenizer"] = ["type": "Sequence", "pretokenizers": list]
        try JSONSerialization.data(withJSONObject: whole).write(to: URL(filePath: path))
        let (file, tokenizer) = try Self.exported(HuggingFaceDirectory(path: directory.path), in: folder)
        #expect(file["tokenizer.ggml.pre"]?.string == name)
        let original = try Tokenizer.load(directory: directory.path)
        for text in TokenFixtures.texts {
            #expect(tokenizer.encode(text, addSpecial: false) == original.encode(text, addSpecial: false))
        }
    }

    @Test(
        "give the same tokens",
        arguments: [
            ("gpt2", "gpt-2"), ("llama3", "llama-bpe"), ("qwen2", "qwen2"), ("spm-bpe", "default"),
            ("bert", "default"),
        ])
    func sameTokens(name: String, pre: String) throws {
        let folder = TemporaryDirectory()
        let directory = try Self.copy(name, into: folder)
        let original = try Tokenizer.load(directory: directory.path)
        let (file, tokenizer) = try Self.exported(directory, in: folder)
        #expect(file["tokenizer.ggml.pre"]?.string == pre)
        // Without a key, readers of GGUF files assume a token.
        if let bos = original.bos { #expect(tokenizer.bos == bos) }
        if let eos = original.eos { #expect(tokenizer.eos == eos) }
        for text in TokenFixtures.texts {
            let composed = String(decoding: text, as: UTF8.self).precomposedStringWithCanonicalMapping
            if name == "qwen2", !composed.utf8.elementsEqual(text) { continue }  // NFC is not in the file
            let shown = "\(String(decoding: text, as: UTF8.self).debugDescription)"
            for special in [true, false] {
                let expected = original.encode(text, addSpecial: special, parseSpecial: special)
                // SentencePiece finds its user-defined pieces in any text, readers of GGUF files only if
                // asked.
                // Of BERT's, files say neither a longest word nor that a token is found in normalised text.
                if name == "bert", shown.contains("aaaaaaaaaa") || shown.contains("fold") { continue }
                if name == "spm-bpe", expected.contains(where: { [4, 5].contains($0) }) { continue }
                #expect(
                    tokenizer.encode(text, addSpecial: special, parseSpecial: special) == expected, "\(shown)"
                )
            }
        }
    }

    @Test(
        "refuse what GGUF cannot say",
        arguments: [
            "classic-bpe", "prefix-bpe", "word-level", "unigram", "roberta", "spm-unigram",
            // Merges were trained here, so that they do not follow from scores.
            "llama2-prepend",
        ])
    func refusals(name: String) throws {
        let folder = TemporaryDirectory()
        let directory = try Self.copy(name, into: folder, asIs: true)
        let error = #expect(throws: SwiftletError.self) { try Self.exported(directory, in: folder) }
        #expect(error?.code == .unsupported)
    }

    /// What converters make of a SentencePiece model: a merge for every way to make a piece, best pieces
    /// first.
    private static func mergedJSON(_ name: String) throws -> String {
        let mapped = try MappedFile(path: "\(TokenFixtures.directory(name))/tokenizer.model")
        let pieces = try SentencePieceFile(Array(mapped.bytes), source: name).pieces
        let table = try PieceTable(pieces, source: name)
        var merges: [(score: Float, text: [String])] = []
        for piece in pieces where piece.type == .normal {
            for cut in piece.text.indices.dropFirst() where piece.text[cut] & 0xC0 != 0x80 {
                let parts = [piece.text[..<cut], piece.text[cut...]]
                guard parts.allSatisfy({ table.vocabulary.id(of: $0) != nil }) else { continue }
                merges.append((piece.score, parts.map { String(decoding: $0, as: UTF8.self) }))
            }
        }
        merges.sort { $0.score > $1.score }
        let vocabulary = Dictionary(
            uniqueKeysWithValues: pieces.enumerated().map { (String(decoding: $1.text, as: UTF8.self), $0) })
        let json: [String: Any] = [
            "added_tokens": [["id": 1, "content": "<s>", "special": true]],
            "normalizer": [
                "type": "Sequence",
                "normalizers": [
                    ["type": "Prepend", "prepend": "\u{2581}"],
                    ["type": "Replace", "pattern": ["String": " "], "content": "\u{2581}"],
                ],
            ],
            "model": [
                "type": "BPE", "byte_fallback": true, "fuse_unk": true, "unk_token": "<unk>",
                "vocab": vocabulary, "merges": merges.map(\.text),
            ],
        ]
        return String(decoding: try JSONSerialization.data(withJSONObject: json), as: UTF8.self)
    }

    @Test("merges become scores")
    func scores() throws {
        let folder = TemporaryDirectory()
        folder.write(try Self.mergedJSON("spm-bpe"), to: "merged/tokenizer.json")
        folder.write("{}", to: "merged/config.json")
        let directory = try HuggingFaceDirectory(path: "\(folder.path)/merged")
        let original = try Tokenizer.load(directory: directory.path)
        let (file, tokenizer) = try Self.exported(directory, in: folder)
        #expect(file["tokenizer.ggml.model"]?.string == "llama")
        for text in TokenFixtures.texts where String(validating: text, as: UTF8.self) != nil {
            let shown = "\(String(decoding: text, as: UTF8.self).debugDescription)"
            let expected = original.encode(text, addSpecial: false, parseSpecial: false)
            #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: false) == expected, "\(shown)")
        }
    }

    @Test("without files there are no keys; too few embeddings are refused")
    func edges() throws {
        let folder = TemporaryDirectory()
        folder.write("{}", to: "empty/config.json")
        let empty = try HuggingFaceDirectory(path: "\(folder.path)/empty")
        #expect(try GGUFTokenizerExport.metadata(of: empty, vocabularySize: 10).isEmpty)
        let directory = try Self.copy("gpt2", into: folder)
        let error = #expect(throws: SwiftletError.self) {
            try GGUFTokenizerExport.metadata(of: directory, vocabularySize: 10)
        }
        #expect(error?.code == .mismatch)
    }

    @Test("further ends of a text get keys of their own")
    func ends() throws {
        let folder = TemporaryDirectory()
        let directory = try Self.copy("gpt2", into: folder)
        folder.write(#"{"eos_token_id": [65, 66]}"#, to: "gpt2/generation_config.json")
        let (file, tokenizer) = try Self.exported(directory, in: folder)
        let eos = try #require(try Tokenizer.load(directory: directory.path).eos)
        #expect(file["tokenizer.ggml.eos_token_id"]?.int == Int(eos))
        #expect(tokenizer.endOfGeneration.isSuperset(of: [eos, 65, 66]))

        folder.write(#"{"eos_token_id": [65, 66, 67]}"#, to: "gpt2/generation_config.json")
        #expect(throws: SwiftletError.self) { try Self.exported(directory, in: folder) }
    }
}
