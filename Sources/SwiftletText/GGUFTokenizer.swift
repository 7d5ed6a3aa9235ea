public import SwiftletFormats
public import SwiftletTensor

/// Builds a tokenizer from the metadata of a GGUF file, by the rules of llama.cpp.
///
/// Source: the GGUF specification for the keys, llama.cpp of November 2026 for what they do and for what holds
/// where a key is missing.
struct GGUFTokenizer {
    /// The kinds of vocabulary, by `tokenizer.ggml.model`.
    private enum Kind: String, CaseIterable {
        case sentencePiece = "llama"
        case bytePair = "gpt2"
        case spacedBytePair = "gemma4"
        case wordBytePair = "whitespace"
        case greedy = "rwkv"
        case wordPiece = "bert"
        case unigram = "t5"
        case suffix = "plamo2"
    }

    private let file: GGUFFile
    private let kind: Kind
    /// The value of `tokenizer.ggml.pre`.
    private let splitting: String
    private let table: PieceTable
    private var special: GGUFSpecialTokens

    init(_ file: GGUFFile) throws(SwiftletError) {
        self.file = file
        guard let name = file["tokenizer.ggml.model"]?.string else {
            throw SwiftletError(
                .missing, "\(file.path): has no tokenizer.ggml.model, so it holds no tokenizer")
        }
        guard let kind = Kind(rawValue: name) else {
            let known = Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw SwiftletError(
                .unsupported, "\(file.path): tokenizer.ggml.model '\(name)' is not supported, only \(known)")
        }
        self.kind = kind
        splitting = kind == .spacedBytePair ? "gemma4" : file["tokenizer.ggml.pre"]?.string ?? "default"
        table = try PieceTable(Self.pieces(file, isEscaped: kind == .greedy), source: file.path)
        special = GGUFSpecialTokens(file, table)
    }

    /// Reads everything.
    mutating func load() throws(SwiftletError) -> Tokenizer {
        setDefaults()
        try special.read()
        let model: TokenModel
        let preparation: TextPreparation
        switch kind {
        case .sentencePiece: (model, preparation) = (scoredPair(), .sentencePiece(spaces(), onceOnly: false))
        case .unigram: (model, preparation) = (unigram(), .sentencePiece(try mapping(), onceOnly: false))
        case .wordPiece: (model, preparation) = (wordPiece(), try bertSplitting())
        case .bytePair, .spacedBytePair: (model, preparation) = try bytePair()
        case .wordBytePair: (model, preparation) = (try bytePair().model, wordSplitting())
        case .greedy, .suffix:
            model = kind == .greedy ? greedy() : try suffix()
            preparation = .split(.identity, PreTokenizer(steps: [], isByteLevel: false))
        }
        return Tokenizer(
            TokenizerStorage(
                vocabulary: table.vocabulary, added: Vocabulary(), verbatim: special.verbatim, model: model,
                finder: .longestFirst(special.finder()), preparation: preparation,
                postProcessor: kind == .suffix
                    ? PostProcessor(before: [], after: [])
                    : try special.postProcessor(endsWithSeparator: kind == .wordPiece),
                decoder: decoder, special: special.summary()))
    }

    // MARK: Vocabulary

    private static func pieces(_ file: GGUFFile, isEscaped: Bool) throws(SwiftletError) -> [SentencePieceFile
        .Piece]
    {
        let key = "tokenizer.ggml.tokens"
        guard let texts = file[key]?.strings() else {
            throw SwiftletError(.missing, "\(file.path): has no list of texts \(key)")
        }
        guard texts.count < Vocabulary.limit else {
            throw SwiftletError(.limit, "\(file.path): \(key) has more than \(Vocabulary.limit) entries")
        }
        let scores = try numbers("tokenizer.ggml.scores", texts.count, file) { value in
            value.floats() ?? value.ints()?.map { Float($0) }
        }
        let types = try numbers("tokenizer.ggml.token_type", texts.count, file) { $0.ints() }
        var pieces: [SentencePieceFile.Piece] = []
        pieces.reserveCapacity(texts.count)
        for (index, text) in texts.enumerated() {
            let score = scores?[index] ?? 0
            guard !score.isNaN else {
                throw SwiftletError(.malformed, "\(file.path): the score of token \(index) is not a number")
            }
            pieces.append(
                .init(
                    text: text.isEmpty
                        ? Array("[EMPTY_\(index)]".utf8) : isEscaped ? GreedyModel.unescaped(text) : text,
                    score: score,
                    type: types.flatMap { .init(rawValue: $0[index]) } ?? (types == nil ? .normal : .unused)))
        }
        return pieces
    }

    private static func numbers<T>(
        _ key: String, _ count: Int, _ file: GGUFFile, _ read: (GGUFValue) -> [T]?
    ) throws(SwiftletError) -> [T]? {
        guard let value = file[key] else { return nil }
        guard let list = read(value), list.count >= count else {
            throw SwiftletError(
                .malformed, "\(file.path): \(key) is not a list of \(count) numbers, one for each token")
        }
        return list
    }

    // MARK: Models

    private func scoredPair() -> TokenModel {
        var model = ScoredPairModel(
            scores: table.scores, mergeable: [Bool](repeating: true, count: table.scores.count),
            unused: [Bool](repeating: false, count: table.scores.count), unknown: special.unknown,
            fusesUnknown: true, byteTokens: table.byteTokens)
        model.findSplits(table.vocabulary)
        return .scoredPair(model)
    }

    /// llama.cpp adds up in double precision and makes user-defined tokens free.
    private func unigram() -> TokenModel {
        var scores = table.scores.map(Double.init)
        for (id, type) in table.types.enumerated() where type == .userDefined { scores[id] = 0 }
        return .unigram(
            UnigramModel(
                trie: table.trie([.normal, .userDefined, .unused]), scores: scores,
                unknownScore: Double(table.scoreRange.low - UnigramModel.unknownPenalty),
                unknown: special.unknown))
    }

    private func wordPiece() -> TokenModel {
        .wordPiece(
            WordPieceModel(wordPrefix: SentencePieceNormalizer.spaceMark, unknown: special.unknown))
    }

    private func greedy() -> TokenModel {
        .greedy(
            GreedyModel(
                trie: table.trie([.normal, .userDefined, .unused, .control]), unknown: special.unknown))
    }

    private func suffix() throws(SwiftletError) -> TokenModel {
        guard table.hasAllBytes else {
            throw SwiftletError(
                .malformed, "\(file.path): tokenizer.ggml.tokens lacks some of <0x00> to <0xFF>, expected all"
            )
        }
        return .suffix(
            SuffixModel(
                trie: table.trie([.normal, .userDefined, .unused, .control, .unknown]), scores: table.scores,
                byteTokens: table.byteTokens))
    }

    private func wordSplitting() -> TextPreparation {
        let lowers = flag("normalizer.lowercase", default: false)
        return .split(
            Normalizer(steps: lowers ? [.lowercase] : []),
            PreTokenizer(steps: [.whitespace], isByteLevel: false))
    }

    private func bytePair() throws(SwiftletError) -> (model: TokenModel, TextPreparation) {
        let preTokenizer =
            kind == .wordBytePair
            ? PreTokenizer(steps: [], isByteLevel: false)
            : try PreTokenizer(ggufName: splitting, source: file.path)
        var model = BytePairModel()
        model.isByteLevel = preTokenizer.isByteLevel
        model.ignoresMerges = GGUFSpecialTokens.wholeWordSplittings.contains(splitting)
        model.keepsLineBreakRuns = splitting == "gemma4"
        model.virtualStart = TokenID(table.vocabulary.idBound)
        try readMerges(into: &model)
        if model.isByteLevel {
            let symbols = (0...255).map { byte in
                let text = ByteAlphabet.encode([UInt8(byte)])
                return table.vocabulary.id(of: text)
                    ?? model.virtual?.id(of: text).map { $0 + model.virtualStart } ?? -1
            }
            if !symbols.contains(-1) { model.byteSymbols = symbols }
            return (.bytePair(model), .split(try Normalizer(json: nil, source: file.path), preTokenizer))
        }
        model.byteTokens = table.byteTokens
        guard splitting != "whitespace" else { return (.bytePair(model), .split(.identity, preTokenizer)) }
        let escape = #"{"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}"#
        return (.bytePair(model), .split(try normalizer(escape), preTokenizer))
    }

    private func readMerges(into model: inout BytePairModel) throws(SwiftletError) {
        let key = "tokenizer.ggml.merges"
        guard let merges = file[key], merges.elementType == .string else {
            throw SwiftletError(.missing, "\(file.path): has no list of texts \(key)")
        }
        guard merges.count < Vocabulary.limit / 4 else {
            throw SwiftletError(.limit, "\(file.path): \(key) has more than \(Vocabulary.limit / 4) entries")
        }
        var reader = GGUFMergeReader(table.vocabulary, count: merges.count)
        merges.forEachString { reader.read($0.bindMemory(to: UInt8.self)) }
        model.merges = reader.table
        model.virtual = reader.virtual.count > 0 ? reader.virtual : nil
        model.splitsBeforeSpaceMark =
            !model.isByteLevel && !model.ignoresMerges && !reader.crossesSpaceMark
            && table.vocabulary.id(of: SentencePieceNormalizer.spaceMark) != nil
        model.prepare(table.vocabulary)
    }

    // MARK: Preparation

    private func spaces() -> SentencePieceNormalizer {
        var normalizer = SentencePieceNormalizer()
        normalizer.addsPrefix = flag("add_space_prefix", default: true)
        normalizer.removesExtraSpace = false
        normalizer.keepsInvalidBytes = true
        return normalizer
    }

    private func mapping() throws(SwiftletError) -> SentencePieceNormalizer {
        var normalizer = SentencePieceNormalizer()
        normalizer.removesExtraSpace = flag("remove_extra_whitespaces", default: false)
        normalizer.addsPrefix = flag("add_space_prefix", default: false) || normalizer.removesExtraSpace
        normalizer.userDefined = table.trie([.userDefined])
        if let value = file["tokenizer.ggml.precompiled_charsmap"] {
            guard let numbers = value.ints() else {
                throw SwiftletError(
                    .malformed, "\(file.path): tokenizer.ggml.precompiled_charsmap is not a list of bytes")
            }
            let blob = numbers.map { UInt8(truncatingIfNeeded: $0) }
            normalizer.map = try PrecompiledCharacterMap.read(blob, source: file.path)
        }
        return normalizer
    }

    private func bertSplitting() throws(SwiftletError) -> TextPreparation {
        let lowercase = flag("normalizer.lowercase", default: true)
        let strips = flag("normalizer.strip_accents", default: lowercase)
        let text = """
            {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, \
            "strip_accents": \(strips), "lowercase": \(lowercase)}
            """
        let json = try JSON.parse(Array(#"{"type": "BertPreTokenizer"}"#.utf8), source: file.path)
        return .split(try normalizer(text), try PreTokenizer(json: json, source: file.path))
    }

    private func normalizer(_ text: String) throws(SwiftletError) -> Normalizer {
        try Normalizer(json: JSON.parse(Array(text.utf8), source: file.path), source: file.path)
    }

    // MARK: Rest

    private var decoder: TokenDecoder {
        switch kind {
        case .bytePair: TokenDecoder([.byteLevel])
        case .greedy: TokenDecoder([.fuse])
        case .suffix: TokenDecoder([.byteFallback, .fuse])
        case .sentencePiece: .sentencePiece(strippedSpaces: flag("add_space_prefix", default: true) ? 1 : 0)
        case .spacedBytePair, .wordBytePair: .sentencePiece(strippedSpaces: 0)
        case .wordPiece: .sentencePiece(strippedSpaces: 1)
        case .unigram:
            .sentencePiece(
                strippedSpaces: flag("remove_extra_whitespaces", default: false)
                    ? .max : flag("add_space_prefix", default: false) ? 1 : 0)
        }
    }

    private func flag(_ name: String, default value: Bool) -> Bool {
        file["tokenizer.ggml.\(name)"]?.bool ?? value
    }

    /// What holds for ids and flags that the file does not set.
    private mutating func setDefaults() {
        switch kind {
        case .sentencePiece: (special.bos, special.eos, special.unknown, special.addsBos) = (1, 2, 0, true)
        case .wordPiece:
            (special.bos, special.separator, special.unknown, special.addsBos) = (101, 102, 100, true)
        case .unigram: (special.eos, special.unknown, special.addsEos) = (1, 2, true)
        case .greedy: break
        case .suffix: (special.bos, special.eos, special.unknown) = (1, 2, 0)
        case .bytePair, .wordBytePair:
            (special.bos, special.eos) = (["chatglm-bpe", "glm4", "glm5"].contains(splitting) ? nil : 11, 11)
            special.addsBos = GGUFSpecialTokens.bosSplittings.contains(splitting)
        case .spacedBytePair: special.alwaysAddsBos = true
        }
    }
}

/// Reads merges of texts, which need not be tokens.
private struct GGUFMergeReader {
    private let vocabulary: Vocabulary
    private(set) var table: MergeTable
    private(set) var virtual = Vocabulary()
    /// Whether a merge reaches over the beginning of a run of U+2581.
    private(set) var crossesSpaceMark = false
    private var rank: UInt32 = 0
    private var joined: [UInt8] = []

    init(_ vocabulary: Vocabulary, count: Int) {
        self.vocabulary = vocabulary
        table = MergeTable(capacity: count)
    }

    /// Adds one merge, written as two texts with a space between; others are ignored but counted.
    mutating func read(_ text: UnsafeBufferPointer<UInt8>) {
        defer { rank += 1 }
        guard let space = text.dropFirst().firstIndex(of: 0x20) else { return }
        let left = UnsafeBufferPointer(rebasing: text[..<space])
        let right = UnsafeBufferPointer(rebasing: text[(space + 1)...])
        joined.removeAll(keepingCapacity: true)
        joined.append(contentsOf: left)
        joined.append(contentsOf: right)
        crossesSpaceMark = crossesSpaceMark || SentencePieceNormalizer.isMarkBoundary(left, right)
        let result = joined.withUnsafeBufferPointer { id(of: $0) }
        table.insert(id(of: left), id(of: right), .init(rank: rank, id: result), keepingFirst: true)
    }

    private mutating func id(of text: UnsafeBufferPointer<UInt8>) -> TokenID {
        let start = TokenID(vocabulary.idBound)
        if let id = vocabulary.id(of: text) { return id }
        if let id = virtual.id(of: text) { return id + start }
        let id = TokenID(virtual.count)
        virtual.insert(text, id: id)
        return id + start
    }
}

extension Tokenizer {
    /// Loads the tokenizer inside a GGUF file.
    ///
    /// - Throws: ``SwiftletError/Code/missing`` if the file holds none; ``SwiftletError/Code/malformed`` with the
    ///   key that is wrong; ``SwiftletError/Code/unsupported`` for an unknown kind of vocabulary or splitting.
    public static func load(gguf file: GGUFFile) throws(SwiftletError) -> Tokenizer {
        var reader = try GGUFTokenizer(file)
        return try reader.load()
    }
}
