import Foundation
import SwiftletFormats
import SwiftletTensor
import SwiftletTestSupport
import Testing

@testable import SwiftletText

/// Where `Fixtures/components` is, and what it holds.
private enum Components {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(
        path: "Fixtures/components"
    ).path

    static let cases: [JSON] = {
        let json = try? JSON.parse(contentsOf: "\(folder)/components.json")
        return json.map { Array($0.elements) } ?? []
    }()

    static func list(_ json: JSON?) -> [JSON] { json.map { Array($0.elements) } ?? [] }

    /// Ids; `nil` for `null`.
    static func ids(_ json: JSON) -> [TokenID]? {
        json.kind == .array ? json.elements.compactMap { $0.int.map { TokenID($0) } } : nil
    }

    /// Runs of U+FFFD count as one: the library writes one mark for each byte.
    static func withSingleMarks(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars
        where scalar != "\u{FFFD}" || result.unicodeScalars.last != "\u{FFFD}" {
            result.unicodeScalars.append(scalar)
        }
        return result
    }
}

struct ComponentFixtureTests {
    @Test("gives the ids and texts of tokenizers, whatever the components")
    func components() throws {
        #expect(Components.cases.count > 50)
        for entry in Components.cases {
            let name = entry["name"]?.string ?? ""
            let json = try #require(entry["tokenizer"])
            let tokenizer = try Tokenizer.load(json: json, source: name, TokenizerConfiguration())
            let texts = Components.list(entry["texts"]).compactMap(\.bytes)
            for (key, special) in [("ids", true), ("plain", false)] {
                for (text, wanted) in zip(texts, Components.list(entry[key])) {
                    guard let wanted = Components.ids(wanted) else { continue }
                    let shown = "\(name): \(String(decoding: text, as: UTF8.self).debugDescription)"
                    #expect(
                        tokenizer.encode(text, addSpecial: special, parseSpecial: special) == wanted,
                        "\(shown)")
                }
            }
            let lists = Components.list(entry["lists"]).compactMap(Components.ids)
            for (key, skips) in [("decoded", false), ("skipped", true)] {
                for (ids, wanted) in zip(lists, Components.list(entry[key])) {
                    guard let wanted = wanted.string else { continue }
                    let found: String = tokenizer.decode(ids, skipSpecial: skips)
                    let isEqual = Components.withSingleMarks(found).utf8.elementsEqual(
                        Components.withSingleMarks(wanted).utf8)
                    #expect(isEqual, "\(name): \(ids)")
                    #expect(
                        stream(ids, tokenizer, skips).utf8.elementsEqual(found.utf8),
                        "\(name): \(ids) streamed")
                }
            }
        }
    }

    @Test("marks what begins at the first character of the input, whatever a normalizer made of that")
    func origins() throws {
        let cases = Components.list(try JSON.parse(contentsOf: "\(Components.folder)/origins.json"))
        #expect(cases.count > 50)
        for entry in cases {
            let name = entry["name"]?.string ?? ""
            let json = try #require(entry["tokenizer"])
            let tokenizer = try Tokenizer.load(json: json, source: name, TokenizerConfiguration())
            for (text, wanted) in zip(Components.list(entry["texts"]), Components.list(entry["tokens"])) {
                guard wanted.kind == .array, let text = text.string else { continue }
                let tokens = tokenizer.encode(text).map { tokenizer.piece($0) ?? "" }
                let isEqual = tokens.elementsEqual(wanted.elements.map { $0.string ?? "" }) {
                    $0.utf8.elementsEqual($1.utf8)
                }
                #expect(isEqual, "\(name): \(text.debugDescription) \(tokens)")
            }
        }
    }

    @Test("gives the same ids with and without remembering words")
    func cache() throws {
        for entry in Components.cases {
            let json = try #require(entry["tokenizer"])
            let storage = try Tokenizer.load(json: json, source: "test", TokenizerConfiguration()).storage
            let warm = ModelScratch()
            for text in Components.list(entry["texts"]).compactMap(\.bytes) + [
                Array("the the  the sheet".utf8)
            ] {
                var (plain, first, second): ([TokenID], [TokenID], [TokenID]) = ([], [], [])
                storage.encode(text, true, into: &plain, ModelScratch(remembersWords: false))
                storage.encode(text, true, into: &first, warm)
                storage.encode(text, true, into: &second, warm)
                #expect(first == plain && second == plain, "\(entry["name"]?.string ?? "")")
            }
        }
    }

    @Test("gives up the memory of long words at once and that of short ones when asked to")
    func scratchMemory() {
        let pool = ScratchPool()
        weak var first: ModelScratch?
        pool.withScratch { scratch in
            first = scratch
            scratch.buffers.merger.symbols = Array(repeating: 7, count: 1 << 15)
            scratch.buffers.text = [1, 2, 3]
        }
        pool.withScratch { scratch in
            #expect(scratch === first)
            #expect(scratch.buffers.merger.capacity < 1 << 15 && scratch.buffers.text == [1, 2, 3])
            pool.forgetWords()
            pool.withScratch { #expect($0 !== first && $0.cache != nil) }
            pool.withScratch { #expect($0 !== first && $0.cache != nil) }
        }
        #expect(first != nil)
        pool.forgetWords()
        #expect(first == nil)
        pool.withScratch { #expect($0.cache != nil) }
    }

    private func stream(_ ids: [TokenID], _ tokenizer: Tokenizer, _ skips: Bool) -> String {
        var decoder = StreamingDecoder(tokenizer, skipSpecial: skips)
        let parts = ids.map { decoder.append($0) }
        return parts.joined() + decoder.finish()
    }
}

struct RankedVocabularyTests {
    @Test(
        "gives the ids of tiktoken and mistral-common",
        arguments: ["r50k_base", "cl100k_base", "o200k_base", "tekken"])
    func published(name: String) throws {
        let folder = "\(Components.folder)/ranks"
        let vectors = try #require(JSON.parse(contentsOf: "\(folder)/vectors.json")[name])
        let tokenizer = try Tokenizer.load(directory: "\(folder)/\(name)")
        let texts = Components.list(vectors["texts"]).compactMap(\.bytes)
        #expect(texts.count == 40)
        for (text, wanted) in zip(texts, Components.list(vectors["ids"])) {
            let ids = tokenizer.encode(text, addSpecial: false, parseSpecial: false)
            #expect(
                ids == Components.ids(wanted), "\(String(decoding: text, as: UTF8.self).debugDescription)")
            #expect(tokenizer.decode(ids) as [UInt8] == text)
        }
    }

    @Test("knows the special tokens of published files")
    func specials() throws {
        let tekken = try Tokenizer.load(directory: "\(Components.folder)/ranks/tekken")
        #expect(tekken.bos == 1 && tekken.eos == 2 && tekken.id(of: "[INST]") == 3)
        #expect(tekken.piece(29) == "<SPECIAL_29>" && tekken.isSpecial(29))
        #expect(Array(tekken.encode("<s>[INST]").suffix(2)) == [1, 3])
        let encoding = try Tokenizer.load(directory: "\(Components.folder)/ranks/cl100k_base")
        #expect(encoding.eos == 100_257 && encoding.encode("<|fim_prefix|>") == [100_258])
        #expect(encoding.encode("<|fim_prefix|>", parseSpecial: false).count > 1)
    }

    @Test("keeps all bytes")
    func bytes() throws {
        let tokenizer = try Tokenizer.load(directory: "\(Components.folder)/ranks/o200k_base")
        let text = (0...255).map { UInt8($0) } + [0xED, 0xA0, 0x80, 0xF4, 0x90, 0xE2, 0x82]
        #expect(tokenizer.decode(tokenizer.encode(text, addSpecial: false)) as [UInt8] == text)
    }

    @Test(
        "names what is wrong in a list of ranks",
        arguments: [
            ("cl100k_base.tiktoken", "YQ== 0\nYQ 1\n", "line 2"),
            ("cl100k_base.tiktoken", "YQ== 0\nYg== -1\n", "line 2"),
            ("cl100k_base.tiktoken", "YQ== 0\nYg== 0\n", "id 0"),
            ("cl100k_base.tiktoken", "YQ== 0\nYQ== 1\n", "id 1"),
            ("cl100k_base.tiktoken", "YQ== 0\n", "single byte 0"),
            ("cl100k_base.tiktoken", "YQ== 99999999\n", "line 1"),
            ("other.tiktoken", "YQ== 0\n", "pat_str"), ("tokenizer.model", "YQ== 0\n", "pat_str"),
            ("tekken.json", "{}", "config"), ("tekken.json", #"{"config": {}}"#, "config.pattern"),
            ("tekken.json", #"{"config": {"pattern": "a", "default_vocab_size": 5}}"#, "default_vocab_size"),
            (
                "tekken.json",
                #"{"config": {"pattern": "a", "default_vocab_size": 2000}, "vocab": [{"rank": 0, "token_bytes": "Y"}]}"#,
                "entry 0"
            ),
            (
                "tekken.json",
                #"{"config": {"pattern": "(", "default_vocab_size": 2000}, "vocab": [{"rank": 0, "token_bytes": "YQ=="}]}"#,
                "the pattern"
            ),
        ])
    func hostile(name: String, text: String, part: String) throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "swiftlet-ranks-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        try Data(text.utf8).write(to: folder.appending(path: name))
        let error = #expect(throws: SwiftletError.self) { try Tokenizer.load(directory: folder.path) }
        #expect(
            error?.message.contains(part) == true && error?.message.contains(name) == true,
            "\(error?.message ?? "")")
    }
}

struct GreedyModelTests {
    @Test("takes the longest token and reads escapes")
    func greedy() {
        var trie = ByteTrie()
        for (id, text) in ["a", "ab", "abcd", "\n"].enumerated() {
            trie.insert(Array(text.utf8), value: Int32(id))
        }
        let model = GreedyModel(trie: trie, unknown: 9)
        var ids: [TokenID] = []
        Array("abcabcd\nz".utf8).withUnsafeBufferPointer { model.encode($0, into: &ids) }
        #expect(ids == [1, 9, 2, 3, 9])
        #expect(GreedyModel.unescaped(Array(#"a\n\t\r\\\x41\'"#.utf8)) == Array("a\n\t\r\\A'".utf8))
        #expect(GreedyModel.unescaped(Array(#"\x4"#.utf8)).count == 1)
    }
}

struct SuffixModelTests {
    /// Ids that llama-tokenize gives for a file of model `plamo2` with this vocabulary.
    private static let vectors: [(text: String, ids: [TokenID])] = [
        ("abc", [262, 265]), ("ababc", [262, 262, 265]), ("cab abc", [265, 262, 266, 262, 265]),
        ("\u{FEFF}ab", [262]), ("日本日é", [268, 269, 267]), ("zé", [126, 267]), ("aaaa", [260, 260, 260, 260]),
        ("x", [124]), ("abx😀b", [262, 124, 244, 163, 156, 132, 261]), ("", []),
    ]

    @Test("takes the best split from the end, as llama.cpp does")
    func vectors() throws {
        let folder = TemporaryDirectory()
        let pieces: [(String, Float)] = [
            ("a", -3), ("b", -3), ("ab", -5.5), ("abc", -9), ("bc", -5.5), ("c", -3), (" ", -2), ("é", -4),
            ("日本", -6), ("日", -5), ("aaaa", -3_000), ("x", -1_500),
        ]
        let first = ["<unk>", "<bos>", "<eos>", "<pad>"].map { Array($0.utf8) }
        let bytes = (0...255).map { ByteToken.name(UInt8($0)) }
        let types = [Int32(2), 3, 3, 3] + Array(repeating: 6, count: 256) + pieces.map { _ in 1 }
        let scores = [Float](repeating: 0, count: 260) + pieces.map(\.1)
        let path = "\(folder.path)/model.gguf"
        try GGUFWriter(
            path: path,
            metadata: [
                ("tokenizer.ggml.model", GGUFValue("plamo2")),
                (
                    "tokenizer.ggml.tokens",
                    GGUFValue(strings: first + bytes + pieces.map { Array($0.0.utf8) })
                ),
                ("tokenizer.ggml.scores", GGUFValue(scores)), ("tokenizer.ggml.token_type", GGUFValue(types)),
            ], tensors: []
        ).finish()
        let tokenizer = try Tokenizer.load(gguf: GGUFFile(path: path))
        for (text, ids) in Self.vectors {
            #expect(tokenizer.encode(text) == ids, "\(text)")
            let decoded: String = tokenizer.decode(ids)
            #expect(decoded == text.replacing("\u{FEFF}", with: ""))
        }
        #expect(tokenizer.encode("<eos>a") == [2, 260])
    }
}
