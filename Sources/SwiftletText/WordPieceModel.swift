/// Longest match first, from the left; a word that cannot be covered is unknown as a whole.
///
/// With ``matchesWholeWords`` it is the `WordLevel` model: one token per word.
///
/// Source: Schuster and Nakajima, 2012, "Japanese and Korean voice search", as used by BERT.
/// - Complexity: O(n × longest token) per word.
struct WordPieceModel: Sendable {
    /// Written before each piece of a word but the first, such as `##`.
    var continuingPrefix: [UInt8] = []
    /// Written before each word: U+2581 in GGUF files.
    var wordPrefix: [UInt8] = []
    /// Longer words are unknown.
    var maximumCharacters = Int.max
    /// Stands for a word that cannot be covered.
    var unknown: TokenID?
    /// Words are tokens or unknown; they are never split.
    var matchesWholeWords = false

    /// Appends the tokens of one word.
    func encode(
        _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID],
        _ scratch: inout ModelBuffers
    ) {
        guard !word.isEmpty else { return }
        let count = ids.count
        let fits = maximumCharacters == .max || word.count { $0 & 0xC0 != 0x80 } <= maximumCharacters
        if fits, cover(word, vocabulary, into: &ids, &scratch.text) { return }
        ids.removeSubrange(count...)
        if let unknown { ids.append(unknown) }
    }

    private func cover(
        _ word: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID],
        _ text: inout [UInt8]
    ) -> Bool {
        text.removeAll(keepingCapacity: true)
        text.append(contentsOf: continuingPrefix)
        text.append(contentsOf: wordPrefix)
        text.append(contentsOf: word)
        return text.withUnsafeMutableBufferPointer { text in
            // The prefix is written over the end of what has been matched.
            let prefixLength = continuingPrefix.count
            var (from, start) = (prefixLength, prefixLength)
            while start < text.count {
                let rest = UnsafeBufferPointer(rebasing: text[from...])
                guard let (id, length) = longestPiece(rest, longerThan: start - from, vocabulary) else {
                    return false
                }
                ids.append(id)
                start = from + length
                from = start - prefixLength
                for (offset, byte) in continuingPrefix.enumerated() { text[from + offset] = byte }
            }
            return true
        }
    }

    /// The longest token that `text` begins with, of more than `shortest` bytes.
    private func longestPiece(
        _ text: UnsafeBufferPointer<UInt8>, longerThan shortest: Int, _ vocabulary: Vocabulary
    ) -> (id: TokenID, length: Int)? {
        guard matchesWholeWords else { return vocabulary.longestPrefix(of: text, longerThan: shortest) }
        return vocabulary.id(of: text).map { ($0, text.count) }
    }
}
