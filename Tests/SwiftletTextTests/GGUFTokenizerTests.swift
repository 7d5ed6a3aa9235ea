import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

/// Vocabularies put into GGUF files as the converter of llama.cpp does it.
struct GGUFTokenizerTests {
    private typealias Metadata = [(key: String, value: GGUFValue)]

    private let directory = TemporaryDirectory()

    private func tokenizer(_ metadata: Metadata) throws -> Tokenizer {
        let path = directory.path + "/vocabulary.gguf"
        let full = metadata.map { (key: "tokenizer.ggml.\($0.key)", value: $0.value) }
        try GGUFWriter(path: path, metadata: full, tensors: []).finish()
        return try Tokenizer.load(gguf: GGUFFile(path: path))
    }

    private func expect(
        _ code: SwiftletError.Code, _ word: String, _ metadata: Metadata,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: SwiftletError.self, sourceLocation: sourceLocation) {
            try tokenizer(metadata)
        }
        #expect(error?.code == code, sourceLocation: sourceLocation)
        #expect(
            error?.message.contains(word) == true, "\(error?.message ?? "")", sourceLocation: sourceLocation)
    }

    /// The texts of a fixture by id, and the ids that are added tokens.
    private func texts(_ name: String) throws -> (texts: [[UInt8]], added: Set<Int>, model: JSON) {
        let json = try JSON.parse(contentsOf: TokenFixtures.directory(name) + "/tokenizer.json")
        let model = try #require(json["model"])
        var byID: [Int: [UInt8]] = [:]
        for (key, value) in model["vocab"]?.members ?? json.members { byID[value.int ?? -1] = key.bytes }
        var added: Set<Int> = []
        for token in json["added_tokens"]?.elements ?? json.elements {
            let id = try #require(token["id"]?.int)
            byID[id] = token["content"]?.bytes
            added.insert(id)
        }
        return ((0..<byID.count).map { byID[$0] ?? Array("hole \($0)".utf8) }, added, model)
    }

    @Test(
        "byte-pair files agree with tokenizer.json", arguments: [("gpt2", "gpt-2"), ("llama3", "llama-bpe")])
    func bytePair(name: String, splitting: String) throws {
        let (texts, added, model) = try texts(name)
        let merges = try #require(model["merges"]).elements.map { pair in
            pair.elements.compactMap(\.string).joined(separator: " ")
        }
        let tokenizer = try tokenizer([
            ("model", GGUFValue("gpt2")), ("pre", GGUFValue(splitting)),
            ("tokens", GGUFValue(strings: texts)),
            ("token_type", GGUFValue(texts.indices.map { Int32(added.contains($0) ? 3 : 1) })),
            ("merges", GGUFValue(merges)), ("bos_token_id", GGUFValue(UInt32(0))),
            ("eos_token_id", GGUFValue(UInt32(1))),
        ])
        let reference = try Tokenizer.load(directory: TokenFixtures.directory(name))
        let special = Set(added.map { TokenID($0) })
        for text in TokenFixtures.texts {
            let expected = reference.encode(text, addSpecial: false, parseSpecial: false)
            guard special.isDisjoint(with: expected) else { continue }
            #expect(tokenizer.encode(text, addSpecial: false, parseSpecial: false) == expected)
            let decoded: [UInt8] = tokenizer.decode(expected)
            #expect(decoded == text)
        }
    }

    private static let pieces: [(text: String, score: Float, type: Int32)] = [
        ("<unk>", 0, 2), ("<s>", 0, 3), ("</s>", 0, 3), ("▁", -1, 1), ("a", -2, 1), ("b", -3, 1),
        ("ab", -4, 1),
        ("▁a", -5, 1), ("▁ab", -6, 1), ("bb", -4, 1), ("<word>", 0, 4),
    ]

    private func llama(_ rest: Metadata = []) throws -> Tokenizer {
        let bytes = (0..<256).map { byte in
            let digits = String(byte, radix: 16, uppercase: true)
            return "<0x\(digits.count < 2 ? "0" : "")\(digits)>"
        }
        let count = Self.pieces.count
        return try tokenizer(
            [
                ("model", GGUFValue("llama")), ("tokens", GGUFValue(Self.pieces.map(\.text) + bytes)),
                ("scores", GGUFValue(Self.pieces.map(\.score) + bytes.map { _ in 0 })),
                ("token_type", GGUFValue(Self.pieces.map(\.type) + bytes.map { _ in Int32(6) })),
            ] + rest + [("padding_token_id", GGUFValue(UInt32(count + 9999)))])
    }

    @Test("scores decide which pieces merge, the left one of equals")
    func scores() throws {
        let tokenizer = try llama()
        #expect(tokenizer.bos == 1 && tokenizer.eos == 2 && tokenizer.endOfGeneration == [2])
        #expect(tokenizer.encode("") == [1])
        #expect(tokenizer.encode("ab") == [1, 8])
        #expect(tokenizer.encode("abb", addSpecial: false) == [8, 5])
        #expect(tokenizer.encode("bbb", addSpecial: false) == [3, 9, 5])
        #expect(tokenizer.encode("a\u{e9}", addSpecial: false) == [7, 11 + 0xC3, 11 + 0xA9])
        #expect(tokenizer.encode([0xFF], addSpecial: false) == [3, 11 + 0xFF])
    }

    @Test("special tokens in the text are read if that is wanted, and text after them gets a space")
    func specials() throws {
        let tokenizer = try llama()
        #expect(tokenizer.encode("a</s>ab", addSpecial: false) == [7, 2, 8])
        #expect(!tokenizer.encode("a</s>ab", parseSpecial: false).contains(2))
        #expect(tokenizer.encode("<word>a", addSpecial: false, parseSpecial: false) == [10, 7])
        #expect(tokenizer.decode([1, 8, 2], skipSpecial: true) == "ab")
        #expect(tokenizer.decode([1, 8, 10], skipSpecial: false) == "<s> ab<word>")
    }

    @Test("keys switch what goes around a text")
    func keys() throws {
        let none = try llama([("add_bos_token", GGUFValue(UInt8(1)))])
        #expect(none.encode("a").first == 1)  // not a truth value, so it says nothing
        let ends = try llama([
            ("eos_token_id", GGUFValue(UInt32(99999))), ("bos_token_id", GGUFValue(UInt32(2))),
        ])
        #expect(ends.eos == 2 && ends.encode("a") == [2, 7])
    }

    @Test("refuses what it cannot use")
    func refusals() {
        let a = GGUFValue(["a"])
        expect(.missing, "tokenizer.ggml.model", [])
        expect(.unsupported, "'hybriddna'", [("model", GGUFValue("hybriddna")), ("tokens", a)])
        expect(.malformed, "<0x00>", [("model", GGUFValue("plamo2")), ("tokens", a)])
        expect(.missing, "tokens", [("model", GGUFValue("llama"))])
        expect(.missing, "tokens", [("model", GGUFValue("llama")), ("tokens", GGUFValue([Int32(1)]))])
        expect(.malformed, "'a'", [("model", GGUFValue("llama")), ("tokens", GGUFValue(["a", "a"]))])
        expect(
            .malformed, "scores",
            [("model", GGUFValue("llama")), ("tokens", a), ("scores", GGUFValue([Float]()))])
        expect(
            .malformed, "bos", [("model", GGUFValue("llama")), ("tokens", a)])
        expect(
            .missing, "merges", [("model", GGUFValue("gpt2")), ("pre", GGUFValue("gpt-2")), ("tokens", a)])
        expect(
            .unsupported, "'nothing'",
            [("model", GGUFValue("gpt2")), ("pre", GGUFValue("nothing")), ("tokens", a)])
    }

    @Test("merges may make texts that are no token")
    func virtualTokens() throws {
        let tokenizer = try tokenizer([
            ("model", GGUFValue("gpt2")), ("pre", GGUFValue("gpt-2")),
            ("tokens", GGUFValue(["a", "b", "c", "abc"])), ("merges", GGUFValue(["a b", "ab c", "b c"])),
            ("eos_token_id", GGUFValue(UInt32(0))),
        ])
        #expect(tokenizer.encode("abc") == [3])
        #expect(tokenizer.encode("ab") == [0, 1])
        #expect(tokenizer.encode("bcx") == [1, 2])
    }
}
