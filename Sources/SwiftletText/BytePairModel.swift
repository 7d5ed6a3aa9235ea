/// Byte-pair encoding by a list of merges.
///
/// Source: Sennrich, Haddow and Birch, 2016, arXiv:1508.07909; the options are those of Hugging Face
/// `tokenizers`. Dropout is a training method and is not applied.
struct BytePairModel: Sendable {
    /// What merges with what.
    var merges = MergeTable()
    /// Words that are a token are not split.
    var ignoresMerges = false
    /// The words are raw bytes and the vocabulary is written in ``ByteAlphabet``.
    var isByteLevel = false
    /// The token of each byte's stand-in, if all 256 have one and no option gets in the way.
    var byteSymbols: [TokenID] = []
    /// The tokens of single characters in a word of characters, if nothing is written before or after them.
    private(set) var characters = CharacterTokens()
    /// Stands for a character that is no token.
    var unknown: TokenID?
    /// Neighbouring unknown characters become one token.
    var fusesUnknown = false
    /// The tokens `<0x00>` to `<0xFF>`, -1 where there is none; empty if unknown characters are not split.
    var byteTokens: [TokenID] = []
    /// Written before each character of a word but the first.
    var continuingPrefix: [UInt8] = []
    /// Written after the last character of a word.
    var endOfWordSuffix: [UInt8] = []
    /// See ``TokenModel/splitsBeforeSpaceMark``.
    var splitsBeforeSpaceMark = false
    /// See ``TokenModel/isolatesLineFeeds``.
    var isolatesLineFeeds = false
    /// Words of nothing but line breaks are not split if they are a token.
    var keepsLineBreakRuns = false
    /// Texts that merges make but that are no token of the file, numbered from ``virtualStart``.
    ///
    /// llama.cpp merges texts, not tokens: what is no token in the end is looked up byte by byte.
    var virtual: Vocabulary?
    /// The first id that is no token.
    var virtualStart: TokenID = .max

    /// Looks up single characters ahead of time, once all options are set.
    mutating func prepare(_ vocabulary: Vocabulary) {
        guard continuingPrefix.isEmpty, endOfWordSuffix.isEmpty else { return }
        guard byteSymbols.isEmpty || !isByteLevel else { return }
        var characters = CharacterTokens()
        characters.insert(vocabulary) { lookUp($0, vocabulary) }
        if let virtual { characters.insert(virtual) { lookUp($0, vocabulary) } }
        self.characters = characters
    }

    /// Appends the tokens of one word.
    func encode(
        _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID],
        _ scratch: inout ModelBuffers
    ) {
        guard !word.isEmpty else { return }
        if isByteLevel, !byteSymbols.isEmpty {
            if ignoresMerges, let id = vocabulary.id(of: ByteAlphabet.encode(word)) { return ids.append(id) }
            scratch.merger.symbols.removeAll(keepingCapacity: true)
            for byte in word { scratch.merger.symbols.append(byteSymbols[Int(byte)]) }
            return finish(vocabulary, into: &ids, &scratch)
        }
        if isByteLevel {
            ByteAlphabet.encode(word).withUnsafeBufferPointer {
                encodeText($0, vocabulary, into: &ids, &scratch)
            }
        } else {
            encodeText(word, vocabulary, into: &ids, &scratch)
        }
    }

    private func encodeText(
        _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID],
        _ scratch: inout ModelBuffers
    ) {
        if ignoresMerges || keepsLineBreakRuns && word.allSatisfy({ $0 == 0x0A }),
            let id = vocabulary.id(of: word)
        {
            return ids.append(id)
        }
        scratch.merger.symbols.removeAll(keepingCapacity: true)
        collectSymbols(word, vocabulary, &scratch)
        finish(vocabulary, into: &ids, &scratch)
    }

    /// Turns the characters of a word into tokens, before any merge.
    private func collectSymbols(
        _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, _ scratch: inout ModelBuffers
    ) {
        guard let base = word.baseAddress else { return }
        var pending: TokenID?  // an unknown token that may still grow
        var position = 0
        while position < word.count {
            let (value, width) = UTF8Text.decode(base, position, word.count)
            if pending == nil, let id = characters[value] {
                scratch.merger.symbols.append(id)
                position += width
                continue
            }
            let end = position + width
            let id = withDecorated(word, position..<end) { text in
                lookUp(text, vocabulary) ?? appendBytes(of: text, to: &scratch.merger.symbols)
            }
            if id == Self.written {
                position = end
                continue
            }
            if let id {
                if let unknown = pending.take() { scratch.merger.symbols.append(unknown) }
                scratch.merger.symbols.append(id)
            } else if let unknown {
                if let previous = pending, !fusesUnknown { scratch.merger.symbols.append(previous) }
                pending = unknown
            }
            position = end
        }
        if let pending { scratch.merger.symbols.append(pending) }
    }

    /// Says that the byte tokens of a character have been appended.
    private static let written = TokenID.min

    private func lookUp(_ text: some Collection<UInt8>, _ vocabulary: Vocabulary) -> TokenID? {
        vocabulary.id(of: text) ?? virtual?.id(of: text).map { $0 + virtualStart }
    }

    /// Appends one token per byte and answers ``written``, if all bytes have a token.
    private func appendBytes(of text: UnsafeBufferPointer<UInt8>, to symbols: inout [TokenID]) -> TokenID? {
        guard !byteTokens.isEmpty, text.allSatisfy({ byteTokens[Int($0)] >= 0 }) else { return nil }
        for byte in text { symbols.append(byteTokens[Int(byte)]) }
        return Self.written
    }

    /// Calls `body` with one character and the prefix and suffix its place asks for.
    private func withDecorated<R>(
        _ word: UnsafeBufferPointer<UInt8>, _ range: Range<Int>, _ body: (UnsafeBufferPointer<UInt8>) -> R
    ) -> R {
        let prefix = range.lowerBound > 0 ? continuingPrefix : []
        let suffix = range.upperBound == word.count ? endOfWordSuffix : []
        if prefix.isEmpty, suffix.isEmpty { return body(UnsafeBufferPointer(rebasing: word[range])) }
        return (prefix + word[range] + suffix).withUnsafeBufferPointer(body)
    }

    private func finish(
        _ vocabulary: Vocabulary, into ids: inout [TokenID], _ scratch: inout ModelBuffers
    ) {
        scratch.merger.merge(merges)
        for symbol in scratch.merger.symbols {
            if symbol < virtualStart {
                ids.append(symbol)
            } else {
                appendParts(of: symbol, vocabulary, into: &ids)
            }
        }
    }

    /// Appends the tokens of the single bytes of a text that is no token; bytes without one are dropped.
    private func appendParts(of symbol: TokenID, _ vocabulary: Vocabulary, into ids: inout [TokenID]) {
        for byte in virtual?.text(of: symbol - virtualStart) ?? [] {
            if isByteLevel {
                if let id = vocabulary.id(of: CollectionOfOne(byte)) { ids.append(id) }
            } else if !byteTokens.isEmpty, byteTokens[Int(byte)] >= 0 {
                ids.append(byteTokens[Int(byte)])
            }
        }
    }
}
