/// A token that is found in the text before anything else is done to it.
struct AddedToken: Sendable {
    /// The text to find.
    var content: [UInt8]
    /// What it becomes.
    var id: TokenID
    /// It marks structure rather than text: it can be left out when decoding and ignored when encoding.
    var isSpecial = false
    /// It counts only where no word character touches it.
    var singleWord = false
    /// It swallows the white space before it.
    var stripsLeft = false
    /// It swallows the white space after it.
    var stripsRight = false
    /// It is looked for in the normalised text, in its own normalised form.
    var isNormalized = false
}

/// A stretch of text: an added token, or something for the model.
struct TextSegment {
    var token: TokenID?
    var range: Range<Int>
}

/// Finds added tokens as Hugging Face `tokenizers` does: leftmost first, of those the longest.
///
/// - Complexity: O(n × longest token).
struct AddedTokenMatcher: Sendable {
    private var tokens: [AddedToken] = []
    private var trie = ByteTrie()
    /// By byte, whether a token begins with it.
    private var beginnings = [Bool](repeating: false, count: 256)

    /// Whether there is nothing to find.
    var isEmpty: Bool { tokens.isEmpty }

    /// Adds a token that is found as `text`.
    mutating func insert(_ token: AddedToken, text: [UInt8]) {
        if let first = text.first { beginnings[Int(first)] = true }
        trie.insert(text, value: Int32(tokens.count))
        tokens.append(token)
    }

    /// The first place from `start` on where a token may begin, or the end.
    private func candidate(in text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        beginnings.withUnsafeBufferPointer { beginnings in
            var i = start
            while i < text.count, !beginnings[Int(text[i])] { i += 1 }
            return i
        }
    }

    /// Cuts `text` into tokens and the rest; empty stretches are left out.
    func segments(of text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool) -> [TextSegment] {
        var segments: [TextSegment] = []
        var done = 0
        var position = 0
        var swallowed = 0..<0  // the last white space that was skipped, so that none is walked twice
        while !trie.isEmpty {
            position = candidate(in: text, from: position)
            guard position < text.count else { break }
            guard let match = trie.longestMatch(in: text, at: position) else {
                position += 1
                continue
            }
            let token = tokens[Int(match.value)]
            let found = position..<match.end
            position = match.end
            guard parseSpecial || !token.isSpecial, !token.singleWord || Self.isWord(found, in: text)
            else { continue }
            var (start, end) = (found.lowerBound, found.upperBound)
            if token.stripsLeft {
                start = max(Self.spaceStart(before: start, notBefore: done, in: text), done)
            }
            if token.stripsRight {
                if !swallowed.contains(end) { swallowed = end..<Self.spaceEnd(after: end, in: text) }
                end = max(end, swallowed.upperBound)
            }
            if done < start { segments.append(TextSegment(token: nil, range: done..<start)) }
            // A token inside the white space that the last one has swallowed may have nothing left of it.
            if start < end { segments.append(TextSegment(token: token.id, range: start..<end)) }
            done = end
        }
        if done < text.count { segments.append(TextSegment(token: nil, range: done..<text.count)) }
        return segments
    }

    private static func isWord(_ range: Range<Int>, in text: UnsafeBufferPointer<UInt8>) -> Bool {
        if range.lowerBound > 0 {
            let start = UTF8Step.start(before: range.lowerBound, in: text)
            if isWordCharacter(UTF8Step.character(text, at: start).scalar) { return false }
        }
        guard range.upperBound < text.count else { return true }
        return !isWordCharacter(UTF8Step.character(text, at: range.upperBound).scalar)
    }

    private static func isWordCharacter(_ scalar: Unicode.Scalar?) -> Bool {
        scalar.map { wordCharacters.contains($0.value) } ?? false
    }

    /// `\w` of Rust's expressions.
    private static let wordCharacters = CharacterSet.word.union(CharacterSet([0x200C...0x200D]))

    private static func spaceStart(
        before end: Int, notBefore limit: Int, in text: UnsafeBufferPointer<UInt8>
    ) -> Int {
        var end = end
        while end > limit {
            let start = UTF8Step.start(before: end, in: text)
            guard UTF8Step.character(text, at: start).scalar?.properties.isWhitespace == true else { break }
            end = start
        }
        return end
    }

    private static func spaceEnd(after start: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        var start = start
        while start < text.count {
            let (scalar, length) = UTF8Step.character(text, at: start)
            guard scalar?.properties.isWhitespace == true else { break }
            start += length
        }
        return start
    }
}

/// Finds special tokens as llama.cpp does: the longest token first, wherever it is, then the next.
///
/// - Complexity: O(n × longest token + m log m) for m occurrences.
struct LongestFirstMatcher: Sendable {
    private var tokens: [AddedToken] = []
    private var trie = ByteTrie()

    /// Adds a token; texts must differ.
    mutating func insert(_ token: AddedToken) {
        trie.insert(token.content, value: Int32(tokens.count))
        tokens.append(token)
    }

    /// Cuts `text` into tokens and the rest; empty stretches are left out.
    func segments(of text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool) -> [TextSegment] {
        var taken = [Bool](repeating: false, count: trie.isEmpty ? 0 : text.count)
        var segments: [TextSegment] = []
        for found in occurrences(in: text, parseSpecial: parseSpecial) {
            let token = tokens[found.token]
            var (start, end) = (found.start, found.start + token.content.count)
            guard !taken[start..<end].contains(true) else { continue }
            if token.stripsLeft {
                while start > 0, !taken[start - 1], Self.isSpace(text[start - 1]) { start -= 1 }
            }
            if token.stripsRight {
                while end < text.count, !taken[end], Self.isSpace(text[end]) { end += 1 }
            }
            for index in start..<end { taken[index] = true }
            segments.append(TextSegment(token: token.id, range: start..<end))
        }
        segments.sort { $0.range.lowerBound < $1.range.lowerBound }
        return Self.fillGaps(segments, length: text.count)
    }

    /// Everywhere a token is, in the order in which they may claim the text.
    private func occurrences(
        in text: UnsafeBufferPointer<UInt8>, parseSpecial: Bool
    ) -> [(token: Int, start: Int)] {
        guard !trie.isEmpty else { return [] }
        var found: [(token: Int, start: Int)] = []
        for start in 0..<text.count {
            var node = ByteTrie.root
            var index = start
            while index < text.count {
                node = trie.step(node, text[index])
                if node == ByteTrie.none { break }
                index += 1
                let token = Int(trie.value(at: node))
                if token >= 0, parseSpecial || !tokens[token].isSpecial { found.append((token, start)) }
            }
        }
        return found.sorted { a, b in
            let (left, right) = (tokens[a.token].content.count, tokens[b.token].content.count)
            if left != right { return left > right }
            return a.token != b.token ? a.token < b.token : a.start < b.start
        }
    }

    private static func fillGaps(_ tokens: [TextSegment], length: Int) -> [TextSegment] {
        var segments: [TextSegment] = []
        var done = 0
        for token in tokens {
            if done < token.range.lowerBound {
                segments.append(TextSegment(token: nil, range: done..<token.range.lowerBound))
            }
            segments.append(token)
            done = token.range.upperBound
        }
        if done < length { segments.append(TextSegment(token: nil, range: done..<length)) }
        return segments
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || 0x09...0x0D ~= byte }
}
