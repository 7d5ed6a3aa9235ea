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
        // The prefix lies before the rest of the word: it is moved there by overwriting what has been matched.
        var start = continuingPrefix.count
        var isFirst = true
        while start < text.count {
            let from = isFirst ? start : start - continuingPrefix.count
            if !isFirst {
                for (offset, byte) in continuingPrefix.enumerated() { text[from + offset] = byte }
            }
            guard let (id, end) = longestPiece(text, from, start, vocabulary) else { return false }
            ids.append(id)
            start = end
            isFirst = false
        }
        return true
    }

    /// The longest token that `text` has at `from` and that reaches past `start`.
    private func longestPiece(
        _ text: [UInt8], _ from: Int, _ start: Int, _ vocabulary: Vocabulary
    ) -> (id: TokenID, end: Int)? {
        text.withUnsafeBufferPointer { text in
            var end = matchesWholeWords ? text.count : min(text.count, from + vocabulary.longest)
            while end > start {
                if let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: text[from..<end])) {
                    return (id, end)
                }
                if matchesWholeWords { return nil }
                end -= 1
            }
            return nil
        }
    }
}
