/// The algorithm that turns one word into tokens.
enum TokenModel: Sendable {
    case bytePair(BytePairModel)
    case scoredPair(ScoredPairModel)
    case unigram(UnigramModel)
    case wordPiece(WordPieceModel)
    case greedy(GreedyModel)
    case suffix(SuffixModel)

    /// Whether no token and no merge reaches over the beginning of a run of U+2581, and the mark is a token.
    ///
    /// The parts of a word between such places can be encoded one by one, with the same tokens.
    var splitsBeforeSpaceMark: Bool {
        switch self {
        case .bytePair(let model): model.splitsBeforeSpaceMark
        case .scoredPair(let model): model.splitsBeforeSpaceMark
        case .unigram, .wordPiece, .greedy, .suffix: false
        }
    }

    /// Whether every line feed is a token of its own, or a byte token, that nothing merges with.
    var isolatesLineFeeds: Bool {
        switch self {
        case .bytePair(let model): model.isolatesLineFeeds
        case .scoredPair(let model): model.isolatesLineFeeds
        case .unigram, .wordPiece, .greedy, .suffix: false
        }
    }

    /// Appends the tokens of one word.
    ///
    /// - Parameters:
    ///   - word: raw bytes; they are written in ``ByteAlphabet`` first if `isByteLevel` is set.
    func encode(
        _ word: UnsafeBufferPointer<UInt8>, isByteLevel: Bool, _ vocabulary: Vocabulary,
        into ids: inout [TokenID], _ scratch: inout ModelBuffers
    ) {
        if case .bytePair(let model) = self { return model.encode(word, vocabulary, into: &ids, &scratch) }
        guard isByteLevel else { return encodeText(word, vocabulary, into: &ids, &scratch) }
        ByteAlphabet.encode(word).withUnsafeBufferPointer {
            encodeText($0, vocabulary, into: &ids, &scratch)
        }
    }

    private func encodeText(
        _ text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID],
        _ scratch: inout ModelBuffers
    ) {
        switch self {
        case .bytePair(let model): model.encode(text, vocabulary, into: &ids, &scratch)
        case .scoredPair(let model): model.encode(text, vocabulary, into: &ids, &scratch)
        case .unigram(let model): model.encode(text, vocabulary, into: &ids)
        case .greedy(let model): model.encode(text, into: &ids)
        case .suffix(let model): model.encode(text, into: &ids)
        case .wordPiece(let model): model.encode(text, vocabulary, into: &ids, &scratch)
        }
    }
}

/// Names and values of the tokens that stand for single bytes.
enum ByteToken {
    /// `<0x00>` to `<0xFF>`, in upper case.
    static func name(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return Array("<0x".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)], UInt8(ascii: ">")]
    }

    /// The byte that a text such as `<0x0A>` names, if it has that form.
    static func value(_ text: some Collection<UInt8>) -> UInt8? {
        guard text.count == 6, text.starts(with: Array("<0x".utf8)) else { return nil }
        let rest = Array(text.dropFirst(3))
        guard rest[2] == UInt8(ascii: ">") else { return nil }
        return UInt8(String(decoding: rest[..<2], as: UTF8.self), radix: 16)
    }

    /// The ids of all 256 names in a vocabulary, -1 where there is none.
    static func table(in vocabulary: Vocabulary) -> [TokenID] {
        (0...255).map { vocabulary.id(of: name(UInt8($0))) ?? -1 }
    }
}
