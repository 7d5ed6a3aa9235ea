import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import SwiftletText
import Testing

/// Files that contradict themselves or each other: an error or a tokenizer that works, never a crash.
struct TokenizerHostileTests {
    static let mutations = ProcessInfo.processInfo.environment["SWIFTLET_MUTATIONS"].flatMap(Int.init) ?? 400

    private func load(_ json: String) throws -> Tokenizer {
        let directory = TemporaryDirectory()
        directory.write(json, to: "tokenizer.json")
        return try Tokenizer.load(directory: directory.path)
    }

    private func expect(
        _ code: SwiftletError.Code, _ words: String..., json: String,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        expectError(code, words, sourceLocation: sourceLocation) { try load(json) }
    }

    private func model(_ vocab: String, _ merges: String = "[]", _ rest: String = "") -> String {
        #"{"model": {"type": "BPE", "vocab": \#(vocab), "merges": \#(merges)}\#(rest)}"#
    }

    @Test("refuses contradictory files")
    func contradictions() {
        expect(.missing, "tokenizer.json", json: "{}")
        expect(.malformed, json: "[]")
        expect(.malformed, json: "\u{1}")
        expect(.malformed, "'a'", json: model(#"{"a": -1}"#))
        expect(.malformed, "'a'", json: model(#"{"a": 99999999999999}"#))
        expect(.malformed, "'a'", json: model(#"{"a": 4194304}"#))
        expect(.malformed, "'a'", json: model(#"{"a": 1.5}"#))
        expect(.malformed, "'a'", "'b'", json: model(#"{"a": 1, "b": 1}"#))
        expect(.malformed, "vocab", json: model("[]"))
        expect(.malformed, "merge 0", "'b'", json: model(#"{"a": 0}"#, #"["a b"]"#))
        expect(.malformed, "merge 0", json: model(#"{"a": 0, "b": 1}"#, #"["a b"]"#))
        expect(.malformed, "merge 0", json: model(#"{"a": 0}"#, #"["a"]"#))
        expect(.malformed, "merge 0", json: model(#"{"a": 0}"#, #"["a a a"]"#))
        expect(.malformed, "merge 0", json: model(#"{"a": 0}"#, #"[["a"]]"#))
        expect(.malformed, "merges", json: #"{"model": {"type": "BPE", "vocab": {}}}"#)
        expect(
            .malformed, "unk_id", json: #"{"model": {"type": "Unigram", "vocab": [["a", 0]], "unk_id": 1}}"#)
        expect(.malformed, "entry 0", json: #"{"model": {"type": "Unigram", "vocab": [["a", NaN]]}}"#)
        expect(.malformed, "content", json: model("{}", "[]", #", "added_tokens": [{"id": 0}]"#))
    }

    @Test("names what it does not support")
    func unsupported() {
        expect(.unsupported, "'Bytes'", "Unigram", json: #"{"model": {"type": "Bytes"}}"#)
        expect(
            .unsupported, "'Other'", "ByteLevel", json: model("{}", "[]", #", "decoder": {"type": "Other"}"#))
        expect(.malformed, "pad_token", json: model("{}", "[]", #", "decoder": {"type": "CTC"}"#))
        expect(
            .unsupported, "dropout", "0.1",
            json: #"{"model": {"type": "BPE", "dropout": 0.1, "vocab": {}, "merges": []}}"#)
        expect(
            .unsupported, "'Other'", "TemplateProcessing",
            json: model("{}", "[]", #", "post_processor": {"type": "Other"}"#))
    }

    @Test("refuses templates with tokens that are none")
    func templates() {
        func template(_ single: String, _ tokens: String) -> String {
            model(
                #"{"a": 0}"#, "[]",
                """
                , "post_processor": {"type": "TemplateProcessing", "single": \(single), "pair": [], \
                "special_tokens": \(tokens)}
                """)
        }
        let piece = #"[{"SpecialToken": {"id": "x", "type_id": 0}}]"#
        expect(.malformed, "'x'", json: template(piece, "{}"))
        expect(.malformed, "'x'", json: template(piece, #"{"x": {"id": "x", "ids": [7], "tokens": ["x"]}}"#))
        expect(.malformed, "'x'", json: template(piece, #"{"x": {"id": "x", "ids": [-1], "tokens": ["x"]}}"#))
        expect(.malformed, json: template(#"[{"Sequence": {"id": "B", "type_id": 0}}]"#, "{}"))
        expect(.malformed, json: template(#"[{}]"#, "{}"))
        expect(.malformed, json: template("3", "{}"))
    }

    @Test("nested templates do not multiply without bound")
    func nestedTemplates() {
        let twice = """
            {"type": "TemplateProcessing", "pair": [], "special_tokens": {}, "single": \
            [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]}
            """
        let list = Array(repeating: twice, count: 60).joined(separator: ", ")
        expect(
            .limit, "pieces",
            json: model("{}", "[]", #", "post_processor": {"type": "Sequence", "processors": [\#(list)]}"#))
    }

    @Test("white space around tokens is walked once", arguments: ["lstrip", "rstrip"])
    func spaces(flag: String) throws {
        let token = #"{"id": 1, "content": " ", "\#(flag)": true, "normalized": false}"#
        let tokenizer = try load(model(#"{"a": 0}"#, "[]", #", "added_tokens": [\#(token)]"#))
        let text = [UInt8](repeating: 0x20, count: 100_000)
        let start = ContinuousClock.now
        #expect(tokenizer.encode(text).first == 1)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("works without an unknown token and with an empty one")
    func small() throws {
        let empty = try load(model("{}"))
        #expect(empty.encode("abc").isEmpty && empty.vocabularySize == 0)
        let odd = try load(model(#"{"": 0, "a": 3}"#))
        #expect(odd.encode("aba") == [3, 3] && odd.piece(0) == "" && odd.vocabularySize == 4)
        #expect(odd.decode([0, 3, 1, 2]) == " a")
    }

    @Test("added tokens are numbered on from the vocabulary, and the last flags of a text count")
    func addedTokens() throws {
        let tokens = """
            , "added_tokens": [{"id": 9, "content": "<x>", "special": true}, {"id": 0, "content": "a"}, \
            {"id": 7, "content": " ", "lstrip": true, "rstrip": true}, \
            {"id": 5, "content": "<x>", "special": false, "rstrip": true, "normalized": false}]
            """
        let tokenizer = try load(model(#"{"a": 0, "b": 1}"#, "[]", tokens))
        #expect(tokenizer.id(of: "<x>") == 2 && tokenizer.id(of: " ") == 3)
        #expect(tokenizer.isSpecial(2) && !tokenizer.isSpecial(0))
        #expect(tokenizer.encode("b<x>  b   b") == [1, 2, 1, 3, 1])
        #expect(tokenizer.encode("b<x>b", parseSpecial: false) == [1, 1])
    }

    @Test("a directory without a tokenizer is missing one")
    func missing() {
        let error = #expect(throws: SwiftletError.self) {
            try Tokenizer.load(directory: "/no/such/directory")
        }
        #expect(error?.code == .missing)
    }

    @Test(
        "damaged files load or are refused",
        arguments: [
            "gpt2", "llama2-prepend", "bert", "unigram-bytes", "precompiled", "spm-bpe", "spm-unigram",
        ])
    func damaged(name: String) throws {
        let file = name.hasPrefix("spm") ? "tokenizer.model" : "tokenizer.json"
        let path = "\(TokenFixtures.directory(name))/\(file)"
        let bytes = Array(try Data(contentsOf: URL(filePath: path)))
        let directory = TemporaryDirectory()
        for seed in 0..<UInt64(Self.mutations) {
            var mutator = Mutator(seed: seed)
            directory.write(mutator.mutate(bytes), to: file)
            exercise(directory.path, seed: seed)
        }
    }

    /// Loads a tokenizer and puts texts through it; whatever is thrown must be an error of ours.
    private func exercise(_ directory: String, seed: UInt64) {
        let tokenizer: Tokenizer
        do {
            tokenizer = try Tokenizer.load(directory: directory)
        } catch {
            #expect(!error.message.isEmpty)
            return
        }
        for text in TokenFixtures.texts[Int(seed % 7)...].prefix(5) {
            let ids = tokenizer.encode(text)
            let decoded: String = tokenizer.decode(ids)
            var decoder = StreamingDecoder(tokenizer, skipSpecial: false)
            let streamed = ids.map { decoder.append($0) }.joined() + decoder.finish()
            #expect(streamed.utf8.elementsEqual(decoded.utf8), "seed \(seed)")
        }
    }
}
