import SwiftletFormats
import SwiftletTensor

/// The parts that SentencePiece models and GGUF files describe alike.
struct PieceTable {
    typealias Piece = SentencePieceFile.Piece

    private(set) var vocabulary = Vocabulary()
    private(set) var scores: [Float] = []
    private(set) var types: [SentencePieceFile.PieceType] = []
    private(set) var unknown: TokenID?
    private(set) var byteTokens: [TokenID] = []

    /// Numbers the pieces in order; texts must differ.
    init(_ pieces: [Piece], source: String) throws(SwiftletError) {
        let byteCount = pieces.reduce(0) { $0 + $1.text.count }
        guard byteCount <= Int32.max else {
            throw SwiftletError(
                .limit, "\(source): the tokens have \(byteCount) bytes, expected less than 2 GiB")
        }
        vocabulary = Vocabulary(capacity: pieces.count)
        for (index, piece) in pieces.enumerated() {
            if let other = vocabulary.id(of: piece.text) {
                let text = String(decoding: piece.text, as: UTF8.self)
                throw SwiftletError(.malformed, "\(source): tokens \(other) and \(index) are both '\(text)'")
            }
            vocabulary.insert(piece.text, id: TokenID(index))
            scores.append(piece.score)
            types.append(piece.type)
            if piece.type == .unknown, unknown == nil { unknown = TokenID(index) }
        }
        byteTokens = ByteToken.table(in: vocabulary)
    }

    /// Whether every byte has a token.
    var hasAllBytes: Bool { !byteTokens.contains(-1) }

    /// A trie of the pieces of some types, with their ids.
    func trie(_ wanted: Set<SentencePieceFile.PieceType>) -> ByteTrie {
        var trie = ByteTrie()
        for (id, type) in types.enumerated() where wanted.contains(type) {
            trie.insert(vocabulary.text(of: TokenID(id)) ?? [], value: TokenID(id))
        }
        return trie
    }

    /// The smallest and largest score of a normal piece.
    var scoreRange: (low: Float, high: Float) {
        var (low, high) = (Float.greatestFiniteMagnitude, Float.leastNormalMagnitude)
        for (score, type) in zip(scores, types) where type == .normal {
            (low, high) = (min(low, score), max(high, score))
        }
        return (low == .greatestFiniteMagnitude ? 0 : low, high)
    }
}

extension Tokenizer {
    /// Loads a SentencePiece model.
    ///
    /// Text encodes as SentencePiece does it, except that special tokens may be written in the text
    /// (`parseSpecial`) and that, with byte tokens, bytes that are not UTF-8 are kept. As in the original Llama
    /// tokenizer, text after a special token gets the dummy prefix again, unless tokenizer_config.json has
    /// `"legacy": false`. Unless that file says otherwise, BPE models put ``bos`` first and unigram models put
    /// ``eos`` last.
    static func load(
        sentencePiece path: String, _ configuration: TokenizerConfiguration
    ) throws(SwiftletError) -> Tokenizer {
        let mapped = try MappedFile(path: path)
        let file = try withExtendedLifetime(mapped) { () throws(SwiftletError) in
            try SentencePieceFile(Array(mapped.bytes), source: path)
        }
        let table = try PieceTable(file.pieces, source: path)
        guard let unknown = table.unknown else {
            throw SwiftletError(.malformed, "\(path): no piece has the type 'unknown'")
        }
        guard !file.hasByteFallback || table.hasAllBytes else {
            throw SwiftletError(.malformed, "\(path): byte fallback is on, but not every byte has a piece")
        }
        let userDefined = table.trie([.userDefined])
        var normalizer = file.normalizer
        normalizer.userDefined = userDefined
        normalizer.keepsInvalidBytes = file.hasByteFallback
        let bytes = file.hasByteFallback ? table.byteTokens : []
        let model: TokenModel
        switch file.modelType {
        case .bytePair:
            var pairs = ScoredPairModel(
                scores: table.scores,
                mergeable: table.types.map { $0 == .normal || $0 == .userDefined || $0 == .unused },
                unused: table.types.map { $0 == .unused }, unknown: unknown, fusesUnknown: true,
                byteTokens: bytes, userDefined: userDefined)
            pairs.findSplits(table.vocabulary)
            model = .scoredPair(pairs)
        case .unigram: model = .unigram(UnigramModel(table, byteTokens: bytes, unknown: unknown))
        case .word, .character:
            throw SwiftletError(
                .unsupported,
                "\(path): model type \(file.modelType) is not supported, only unigram and BPE")
        }
        return Tokenizer(
            Self.storage(table, model: model, file: file, normalizer: normalizer, configuration))
    }

    private static func storage(
        _ table: PieceTable, model: TokenModel, file: SentencePieceFile, normalizer: SentencePieceNormalizer,
        _ configuration: TokenizerConfiguration
    ) -> TokenizerStorage {
        var special = SpecialTokens()
        var added = Vocabulary()
        var raw = AddedTokenMatcher()
        for (index, type) in table.types.enumerated() where type == .control || type == .unknown {
            special.ids.insert(TokenID(index))
            let text = Array(table.vocabulary.text(of: TokenID(index)) ?? [])
            raw.insert(AddedToken(content: text, id: TokenID(index), isSpecial: true), text: text)
        }
        for token in configuration.addedTokens where !token.content.isEmpty {
            let id = table.vocabulary.id(of: token.content) ?? token.id
            let isFree = !table.vocabulary.contains(id) && !added.contains(id)
            guard isFree || table.vocabulary.id(of: token.content) != nil else { continue }
            if isFree { added.insert(token.content, id: id) }
            var token = token
            token.id = id
            raw.insert(token, text: token.content)
            if token.isSpecial { special.ids.insert(id) }
        }
        func id(_ text: [UInt8]?, _ number: Int) -> TokenID? {
            if let text { return added.id(of: text) ?? table.vocabulary.id(of: text) }
            guard let id = TokenID(exactly: number), table.vocabulary.contains(id) else { return nil }
            return id
        }
        special.bos = id(configuration.bos, file.bosID)
        special.eos = id(configuration.eos, file.eosID)
        special.endOfGeneration = special.eos.map { [$0] } ?? []
        special.chatTemplate = configuration.chatTemplate
        let addsBos = configuration.addsBos ?? (file.modelType == .bytePair)
        let addsEos = configuration.addsEos ?? (file.modelType == .unigram)
        let postProcessor = PostProcessor(
            before: addsBos ? special.bos.map { [$0] } ?? [] : [],
            after: addsEos ? special.eos.map { [$0] } ?? [] : [])
        let stripped = normalizer.removesExtraSpace ? Int.max : normalizer.addsPrefix ? 1 : 0
        return TokenizerStorage(
            vocabulary: table.vocabulary, added: added, model: model,
            finder: .leftmostLongest(raw: raw, normalized: AddedTokenMatcher()),
            preparation: .sentencePiece(normalizer, onceOnly: configuration.isLegacy == false),
            postProcessor: postProcessor, decoder: .sentencePiece(strippedSpaces: stripped), special: special)
    }
}

extension TokenDecoder {
    /// Spaces for U+2581, bytes for byte tokens, and some spaces fewer at the start.
    static func sentencePiece(strippedSpaces: Int) -> TokenDecoder {
        TokenDecoder([
            .replace(pattern: SentencePieceNormalizer.spaceMark, content: [0x20]), .byteFallback, .fuse,
            .strip(content: [0x20], start: strippedSpaces, stop: 0),
        ])
    }
}

extension UnigramModel {
    /// The model of a SentencePiece file, which adds up scores in single precision.
    init(_ table: PieceTable, byteTokens: [TokenID], unknown: TokenID) {
        let (low, high) = table.scoreRange
        var scores = table.scores.map(Double.init)
        for (id, type) in table.types.enumerated() where type == .userDefined {
            let length = table.vocabulary.text(of: TokenID(id))?.count ?? 0
            scores[id] = Double(Float(length) * high) - 0.1  // always worth choosing
        }
        self.init(
            trie: table.trie([.normal, .userDefined]), scores: scores,
            unknownScore: Double(low - Self.unknownPenalty), unknown: unknown, arithmetic: .single,
            byteTokens: byteTokens)
    }
}
