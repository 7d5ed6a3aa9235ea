import SwiftletFormats
import SwiftletTensor

/// Reads the `model` of a tokenizer.json.
struct TokenModelJSON {
    let json: JSON
    let source: String
    let isByteLevel: Bool
    private(set) var vocabulary = Vocabulary()
    /// Whether a merge reaches over the beginning of a run of U+2581.
    private var mergesCrossSpaceMark = false
    /// Whether a line feed is part of a merge.
    private var mergesLineFeeds = false
    /// Whether two ids have the same text.
    private(set) var repeatsTexts = false

    init(_ json: JSON, source: String, isByteLevel: Bool) {
        self.json = json
        self.source = source
        self.isByteLevel = isByteLevel
    }

    /// Reads the vocabulary and what goes with it.
    mutating func load() throws(SwiftletError) -> TokenModel {
        switch type {
        case "BPE":
            vocabulary = try readVocabulary()
            return .bytePair(try readBytePair())
        case "WordPiece":
            vocabulary = try readVocabulary()
            return .wordPiece(try readWordPiece())
        case "WordLevel":
            vocabulary = try readVocabulary()
            return .wordPiece(
                WordPieceModel(unknown: id(ofMember: "unk_token"), matchesWholeWords: true))
        case "Unigram":
            return .unigram(try readUnigram())
        default:
            throw SwiftletError(
                .unsupported,
                "\(source): model type '\(type)' is not supported, only BPE, Unigram, WordPiece and WordLevel"
            )
        }
    }

    /// Early files do not name the type; what they hold tells.
    private var type: String {
        if let type = json["type"] { return type.string ?? "\(type.kind)" }
        if json["merges"] != nil { return "BPE" }
        if json["vocab"]?.kind == .array { return "Unigram" }
        return json["continuing_subword_prefix"] == nil ? "WordLevel" : "WordPiece"
    }

    // MARK: Vocabulary

    private func readVocabulary() throws(SwiftletError) -> Vocabulary {
        guard let list = json["vocab"], list.kind == .object else {
            throw malformed("vocab is not an object from texts to ids")
        }
        var vocabulary = Vocabulary(capacity: list.count)
        for (key, value) in list.members {
            guard let id = value.int, id >= 0, id < Vocabulary.limit else {
                throw malformed("the id of \(Self.quote(key)) is not an integer in 0..<\(Vocabulary.limit)")
            }
            let id32 = TokenID(id)
            let inserted = key.withUTF8 { text in
                if vocabulary.id(of: text) == id32 { return true }
                guard !vocabulary.contains(id32) else { return false }
                vocabulary.insert(text, id: id32)
                return true
            }
            guard inserted == true else {
                let other = String(decoding: vocabulary.text(of: id32) ?? [], as: UTF8.self)
                throw malformed("\(Self.quote(key)) and '\(other)' have the same id \(id)")
            }
        }
        return vocabulary
    }

    private func id(ofMember name: String) -> TokenID? { json[name]?.bytes.flatMap { vocabulary.id(of: $0) } }

    // MARK: Models

    private mutating func readBytePair() throws(SwiftletError) -> BytePairModel {
        if let dropout = json["dropout"], !dropout.isNull, dropout.double != 0 {
            throw SwiftletError(
                .unsupported,
                "\(source): in the model, dropout is \(dropout.double.map(String.init(describing:)) ?? "not a number"), "
                    + "which makes encoding random; expected null or 0")
        }
        var model = BytePairModel()
        model.isByteLevel = isByteLevel
        model.ignoresMerges = try flag("ignore_merges")
        model.fusesUnknown = try flag("fuse_unk")
        model.unknown = id(ofMember: "unk_token")
        if try flag("byte_fallback") { model.byteTokens = ByteToken.table(in: vocabulary) }
        model.continuingPrefix = json["continuing_subword_prefix"]?.bytes ?? []
        model.endOfWordSuffix = json["end_of_word_suffix"]?.bytes ?? []
        if isByteLevel, model.continuingPrefix.isEmpty, model.endOfWordSuffix.isEmpty {
            let symbols = (0...255).map { vocabulary.id(of: ByteAlphabet.encode([UInt8($0)])) ?? -1 }
            if !symbols.contains(-1) { model.byteSymbols = symbols }
        }
        let isPlain = model.continuingPrefix.isEmpty && model.endOfWordSuffix.isEmpty && !model.ignoresMerges
        model.merges = try readMerges(prefixLength: model.continuingPrefix.count)
        model.splitsBeforeSpaceMark =
            isPlain && !isByteLevel && !mergesCrossSpaceMark
            && vocabulary.id(of: SentencePieceNormalizer.spaceMark) != nil
        let hasLineFeed =
            vocabulary.id(of: [0x0A]) != nil
            || model.byteTokens.count == 256 && !model.byteTokens.contains(-1)
        model.isolatesLineFeeds = model.splitsBeforeSpaceMark && !mergesLineFeeds && hasLineFeed
        model.prepare(vocabulary)
        return model
    }

    private mutating func readMerges(prefixLength: Int) throws(SwiftletError) -> MergeTable {
        guard let list = json["merges"], list.kind == .array else {
            throw malformed("merges is not a list")
        }
        var table = MergeTable(capacity: list.count)
        var joined: [UInt8] = []
        var rank: UInt32 = 0
        var (crosses, joinsLines) = (false, false)
        for element in list.elements {
            if element.withUTF8({ $0.starts(with: "#version".utf8) }) == true { continue }
            let merge = Self.withPair(element) { left, right -> (TokenID, TokenID, TokenID)? in
                guard right.count >= prefixLength, let a = vocabulary.id(of: left),
                    let b = vocabulary.id(of: right)
                else { return nil }
                joined.removeAll(keepingCapacity: true)
                joined.append(contentsOf: left)
                joined.append(contentsOf: right[prefixLength...])
                crosses = crosses || SentencePieceNormalizer.isMarkBoundary(left, right)
                joinsLines = joinsLines || joined.contains(0x0A)
                return vocabulary.id(of: joined).map { (a, b, $0) }
            }
            guard let merge else {
                throw malformed("merge \(rank) is neither \"a b\" nor [\"a\", \"b\"]")
            }
            guard let (left, right, id) = merge else {
                throw malformed(
                    "merge \(rank) needs a token that vocab does not have: \(Self.shown(element))")
            }
            table.insert(left, right, .init(rank: rank, id: id), keepingFirst: false)
            rank += 1
        }
        (mergesCrossSpaceMark, mergesLineFeeds) = (crosses, joinsLines)
        return table
    }

    /// Calls `body` with the two texts of a merge, or returns `nil` if it has another form.
    static func withPair<R>(
        _ element: JSON, _ body: (UnsafeBufferPointer<UInt8>, UnsafeBufferPointer<UInt8>) -> R
    ) -> R? {
        if element.kind == .array {
            var parts = element.elements.makeIterator()
            guard element.count == 2, let left = parts.next(), let right = parts.next() else { return nil }
            return left.withUTF8 { left in right.withUTF8 { right in body(left, right) } } ?? nil
        }
        return element.withUTF8 { text -> R? in
            guard let space = text.firstIndex(of: 0x20), !text[(space + 1)...].contains(0x20) else {
                return nil
            }
            return body(
                UnsafeBufferPointer(rebasing: text[..<space]),
                UnsafeBufferPointer(rebasing: text[(space + 1)...]))
        } ?? nil
    }

    private static func shown(_ element: JSON) -> String {
        withPair(element) { left, right in
            "'\(String(decoding: left, as: UTF8.self))' and '\(String(decoding: right, as: UTF8.self))'"
        } ?? ""
    }

    private func readWordPiece() throws(SwiftletError) -> WordPieceModel {
        guard let prefix = json["continuing_subword_prefix"]?.bytes,
            let maximum = json["max_input_chars_per_word"]?.int, maximum >= 0
        else { throw malformed("has no continuing_subword_prefix or no max_input_chars_per_word") }
        return WordPieceModel(
            continuingPrefix: prefix, maximumCharacters: maximum, unknown: id(ofMember: "unk_token"))
    }

    private mutating func readUnigram() throws(SwiftletError) -> UnigramModel {
        guard let list = json["vocab"], list.kind == .array, list.count < Vocabulary.limit else {
            throw malformed("vocab is not a list of texts and scores")
        }
        vocabulary = Vocabulary(capacity: list.count)
        var scores: [Double] = []
        var trie = ByteTrie()
        for element in list.elements {
            guard let text = element[0]?.bytes, let score = element[1]?.double, score.isFinite,
                element.count == 2
            else { throw malformed("entry \(scores.count) of vocab is not a text and a finite score") }
            let id = TokenID(scores.count)
            if vocabulary.insert(text, id: id, replacing: false) != nil { repeatsTexts = true }
            trie.insert(text, value: id)
            scores.append(score)
        }
        var unknown: TokenID?
        if let member = json["unk_id"], !member.isNull {
            guard let id = member.int, scores.indices.contains(id) else {
                throw malformed("unk_id is not the id of a token")
            }
            unknown = TokenID(id)
        }
        return UnigramModel(
            trie: trie, scores: scores,
            unknownScore: (scores.min() ?? 0) - Double(UnigramModel.unknownPenalty), unknown: unknown,
            byteTokens: try flag("byte_fallback") ? ByteToken.table(in: vocabulary) : [],
            looksUpUnknownRuns: true)
    }

    // MARK: Values

    private func flag(_ name: String) throws(SwiftletError) -> Bool {
        guard let value = json[name], !value.isNull else { return false }
        guard let flag = value.bool else { throw malformed("\(name) is not true or false") }
        return flag
    }

    private func malformed(_ problem: String) -> SwiftletError {
        SwiftletError(.malformed, "\(source): in the model, \(problem)")
    }

    private static func quote(_ text: JSON) -> String { "'\(text.string ?? "")'" }
}
