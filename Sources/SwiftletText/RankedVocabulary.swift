import SwiftletTensor

/// A byte-pair vocabulary given as tokens with ranks, as tiktoken and Tekken write it, without a list of merges.
///
/// Two neighbours merge if their joint bytes are a token, the lowest rank first. The last merge of a token is found
/// by merging its bytes with the tokens of lower ranks: inside a text it can only arise in the same way.
struct RankedVocabulary {
    /// The tokens, written in ``ByteAlphabet``.
    private(set) var vocabulary: Vocabulary
    private(set) var model = BytePairModel()

    /// Builds the vocabulary.
    ///
    /// - Parameters:
    ///   - tokens: ids and bytes; a lower id is a lower rank.
    ///   - source: the name of the file, for errors.
    /// - Complexity: linear in the bytes of the tokens, for tokens of common lengths.
    init(_ tokens: [(id: TokenID, bytes: [UInt8])], source: String) throws(SwiftletError) {
        vocabulary = Vocabulary(capacity: tokens.count)
        model.isByteLevel = true
        model.ignoresMerges = true
        model.byteSymbols = [TokenID](repeating: -1, count: 256)
        model.merges = MergeTable(capacity: tokens.count)
        let tokens = tokens.sorted { $0.id < $1.id }
        for (id, bytes) in tokens {
            let text = ByteAlphabet.encode(bytes)
            guard !bytes.isEmpty, !vocabulary.contains(id), vocabulary.id(of: text) == nil else {
                throw SwiftletError(
                    .malformed,
                    "\(source): the token with the id \(id) is empty or a repetition, expected different texts and ranks"
                )
            }
            vocabulary.insert(text, id: id)
            if bytes.count == 1 { model.byteSymbols[Int(bytes[0])] = id }
        }
        if let byte = model.byteSymbols.firstIndex(of: -1) {
            throw SwiftletError(
                .malformed,
                "\(source): has no token for the single byte \(byte), expected one for each of 256")
        }
        findMerges(tokens)
    }

    private mutating func findMerges(_ tokens: [(id: TokenID, bytes: [UInt8])]) {
        var merger = BytePairMerger()
        for (id, bytes) in tokens where bytes.count > 1 {
            merger.symbols.removeAll(keepingCapacity: true)
            for byte in bytes { merger.symbols.append(model.byteSymbols[Int(byte)]) }
            merger.merge(model.merges)
            // What is left in more parts is never made by merging, only as a word of its own.
            guard merger.symbols.count == 2 else { continue }
            model.merges.insert(
                merger.symbols[0], merger.symbols[1], .init(rank: UInt32(id), id: id), keepingFirst: true)
        }
    }
}

/// What stands around the tokens of a ``RankedVocabulary``.
struct RankedSpecials {
    /// Texts and ids of the special tokens.
    var tokens: [(text: [UInt8], id: TokenID)] = []
    /// The texts of the tokens that begin and end a text.
    var bos: [UInt8]?
    var eos: [UInt8]?
    /// Whether ``bos`` is put before a text if no other file decides.
    var addsBos = false
}

extension RankedVocabulary {
    /// A tokenizer of the vocabulary; tokens in `configuration` come on top of `specials`.
    func tokenizer(
        _ specials: RankedSpecials, splitting: PreTokenizerStep..., configuration: TokenizerConfiguration
    ) -> Tokenizer {
        var added = Vocabulary()
        var raw = AddedTokenMatcher()
        var special = SpecialTokens()
        var list = configuration.addedTokens
        for (text, id) in specials.tokens where !list.contains(where: { $0.content == text || $0.id == id }) {
            list.append(AddedToken(content: text, id: id, isSpecial: true))
        }
        for token in list where !token.content.isEmpty {
            guard !vocabulary.contains(token.id), !added.contains(token.id),
                added.id(of: token.content) == nil
            else { continue }
            added.insert(token.content, id: token.id)
            raw.insert(token, text: token.content)
            if token.isSpecial { special.ids.insert(token.id) }
        }
        special.bos = (configuration.bos ?? specials.bos).flatMap { added.id(of: $0) }
        special.eos = (configuration.eos ?? specials.eos).flatMap { added.id(of: $0) }
        special.endOfGeneration = special.eos.map { [$0] } ?? []
        special.chatTemplate = configuration.chatTemplate
        let before = configuration.addsBos ?? specials.addsBos ? special.bos.map { [$0] } ?? [] : []
        let after = configuration.addsEos ?? false ? special.eos.map { [$0] } ?? [] : []
        return Tokenizer(
            TokenizerStorage(
                vocabulary: vocabulary, added: added, model: .bytePair(model),
                finder: .leftmostLongest(raw: raw, normalized: AddedTokenMatcher()),
                preparation: .split(.identity, PreTokenizer(steps: splitting, isByteLevel: true)),
                postProcessor: PostProcessor(before: before, after: after),
                decoder: TokenDecoder([.byteLevel]),
                special: special))
    }
}
