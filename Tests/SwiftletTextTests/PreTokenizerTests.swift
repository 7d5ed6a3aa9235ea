import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletText

/// What Hugging Face `tokenizers` made of generated texts; see Fixtures/pretok/make_pretok.py.
struct PretokFixture {
    struct Case: Sendable {
        var config: JSON
        var text: String
        var expected: String

        /// What a failure shows of the configuration.
        var name: String {
            let pattern = config["pattern"]?["Regex"]?.string ?? config["pattern"]?["String"]?.string ?? ""
            return "\(config["type"]?.string ?? "") \(pattern) \(config["behavior"]?.string ?? "")"
        }
    }

    static func cases(_ key: String) throws -> [Case] {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
        let data = try Data(contentsOf: folder.appending(path: "Fixtures/pretok/pretok.json"))
        let json = try JSON.parse(Array(data), source: "pretok.json")
        let texts = try #require(json["texts"]).elements.map { $0.string ?? "" }
        var cases: [Case] = []
        for entry in try #require(json[key]).elements {
            let config = try #require(entry["config"])
            for item in try #require(entry["cases"]).elements {
                let place = try #require(item[0]?.int)
                cases.append(
                    Case(config: config, text: texts[place], expected: try #require(item[1]?.string)))
            }
        }
        return cases
    }
}

extension PreTokenizer {
    init(_ json: String) throws {
        try self.init(json: JSON.parse(Array(json.utf8), source: "test"), source: "test")
    }

    func pieces(_ text: String, isFirst: Bool = true) -> [String] {
        pieces(Array(text.utf8), isFirst: isFirst).map { String(decoding: $0, as: UTF8.self) }
    }

    func pieces(_ text: [UInt8], isFirst: Bool = true) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        split(text, isFirst: isFirst) { pieces.append($0) }
        return pieces
    }
}

@Suite("Pre-tokenizers")
struct PreTokenizerTests {
    @Test("split as tokenizers does")
    func matchesTokenizers() throws {
        for entry in try PretokFixture.cases("pre_tokenizers") {
            let splitter = try PreTokenizer(json: entry.config, source: "test")
            let pieces = splitter.pieces(Array(entry.text.utf8)).map { piece in
                String(decoding: splitter.isByteLevel ? ByteAlphabet.encode(piece) : piece, as: UTF8.self)
            }
            let found = pieces.joined(separator: "␞")
            #expect(
                found.utf8.elementsEqual(entry.expected.utf8), "\(entry.name): \(entry.text.debugDescription)"
            )
        }
    }
}

@Suite("Pre-tokenizer options")
struct PreTokenizerOptionTests {
    @Test("without an object, text stays whole and empty text has no pieces")
    func none() throws {
        let splitter = try PreTokenizer(json: nil, source: "test")
        #expect(splitter.pieces("a b") == ["a b"] && splitter.pieces("") == [] && !splitter.isByteLevel)
        #expect(try PreTokenizer("null").pieces("a b") == ["a b"])
        #expect(try PreTokenizer(#"{"type":"ByteLevel","add_prefix_space":true}"#).pieces("") == [])
    }

    @Test("put the first mark only before the first section")
    func firstSection() throws {
        let splitter = try PreTokenizer(#"{"type":"Metaspace","replacement":"▁","prepend_scheme":"first"}"#)
        #expect(splitter.pieces("a b") == ["▁a", "▁b"])
        #expect(splitter.pieces("a b", isFirst: false) == ["a", "▁b"])
    }

    @Test("keep bytes that are not UTF-8", arguments: 0..<20 as Range<UInt64>)
    func keepsInvalidBytes(seed: UInt64) throws {
        let text = MixedText.make(seed: seed, count: 300, invalid: true)
        for json in [
            #"{"type":"ByteLevel","add_prefix_space":false}"#, #"{"type":"Digits","individual_digits":true}"#,
            #"{"type":"Punctuation"}"#, #"{"type":"FixedLength","length":4}"#,
            #"{"type":"Split","pattern":{"Regex":"\\p{L}+|\\s"},"behavior":"MergedWithNext","invert":false}"#,
        ] {
            #expect(try Array(PreTokenizer(json).pieces(text).joined()) == text)
        }
        let alphabet = try PreTokenizer(
            #"{"type":"Sequence","pretokenizers":[{"type":"ByteLevel","add_prefix_space":false},{"type":"Digits"}]}"#
        )
        #expect(Array(alphabet.pieces(text).joined()) == ByteAlphabet.encode(text))
    }

    @Test(
        "name what is wrong",
        arguments: [
            #"{"type":"Nonsense"}"#, #"{"kind":"ByteLevel"}"#, "3", #"{"type":"Sequence"}"#,
            #"{"type":"Split","pattern":{"Regex":"("},"behavior":"Isolated"}"#,
            #"{"type":"Split","behavior":"Isolated"}"#,
            #"{"type":"Split","pattern":{"String":"a"},"behavior":"Isolate"}"#,
            #"{"type":"FixedLength","length":0}"#,
            #"{"type":"Split","pattern":{"String":"a"}}"#, #"{"type":"Metaspace","replacement":"ab"}"#,
            #"{"type":"Metaspace","prepend_scheme":"last"}"#, #"{"type":"ByteLevel","use_regex":1}"#,
        ])
    func errors(_ json: String) {
        #expect(throws: SwiftletError.self) { _ = try PreTokenizer(json) }
    }

    @Test("know the names of GGUF files")
    func ggufNames() throws {
        func pieces(_ name: String, _ text: String) throws -> [String] {
            try PreTokenizer(ggufName: name, source: "test").pieces(text)
        }
        #expect(
            try pieces("llama-bpe", "I'Ll pay 12345 now") == ["I", "'Ll", " pay", " ", "123", "45", " now"])
        #expect(try pieces("qwen2", "a 12") == ["a", " ", "1", "2"])
        #expect(try pieces("smollm", "a 12  b") == ["a", " ", "1", "2", " ", " b"])
        #expect(try pieces("gpt-2", "a 12") == ["a", " 12"])
        #expect(try pieces("gpt-4o", "XMLHttp's café") == ["XMLHttp's", " café"])
        #expect(try pieces("deepseek-v3", "a 1234汉字x") == ["a", " ", "123", "4", "汉字", "x"])
        #expect(try pieces("deepseek-llm", "Élan 12\n  ") == ["É", "lan", " ", "12", "\n", "  "])
        #expect(try pieces("superbpe", "1234567 a") == ["1", "234", "567", " a"])
        #expect(try pieces("kimi-k2", "汉字ab'S") == ["汉字", "ab'S"])
        #expect(try pieces("bloom", "a b, c") == ["a", " b", ",", " c"])
        #expect(try pieces("whitespace", " a  b") == [" ", "a", "  ", "b"])
        #expect(try pieces("gemma4", "a b\n\nc") == ["a b", "\n\n", "c"])
        #expect(try PreTokenizer(ggufName: "gemma4", source: "test").isByteLevel == false)
        #expect(throws: SwiftletError.self) { _ = try PreTokenizer(ggufName: "nonsense", source: "test") }
    }

    @Test("cut digits into threes as the pattern for it does", arguments: 0..<40 as Range<UInt64>)
    func threes(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let alphabet = ["1", "2", "٣", "½", "a", " ", ""]
        let text = (0..<40).map { _ in alphabet[Int.random(in: 0..<alphabet.count, using: &random) * 5 % 7] }
            .joined()
        for pattern in [#"(?=(\d{3})+(?!\d))"#, #"(?=(\p{N}{3})+(?!\p{N}))"#] {
            let fast = try PreTokenizerStep.split(at: pattern, .isolated, inverted: false, source: "test")
            let slow = PreTokenizerStep.pattern(
                try Pattern(pattern, source: "test"), .isolated, inverted: false)
            let splitters = [fast, slow].map { PreTokenizer(steps: [$0], isByteLevel: false) }
            #expect(splitters[0].pieces(text) == splitters[1].pieces(text))
        }
        #expect(
            try PreTokenizer(ggufName: "afmoe", source: "test").pieces("1234567a89") == [
                "1", "234", "567", "a", "89",
            ])
    }

    @Test("every GGUF name compiles and keeps all text", arguments: PreTokenizerNames.rules.keys.sorted())
    func everyName(_ name: String) throws {
        let splitter = try PreTokenizer(ggufName: name, source: "test")
        let text = MixedText.make(seed: 7, count: 500, invalid: true)
        #expect(Array(splitter.pieces(text).joined()) == text)
    }
}
