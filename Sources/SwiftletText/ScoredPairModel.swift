/// Byte-pair encoding as SentencePiece does it: neighbours merge if their joint text is a token, the best score
/// first and the leftmost of equals.
///
/// Source: Kudo and Richardson, 2018, arXiv:1808.06226, and the behaviour of its `bpe` model.
/// - Complexity: O(n log n) for n characters, times the length of the longest token.
struct ScoredPairModel: Sendable {
    /// Two neighbours that would merge.
    struct Candidate: Comparable {
        var score: Float
        var left: Int32
        var right: Int32
        var length: Int32

        static func < (a: Candidate, b: Candidate) -> Bool {
            a.score != b.score ? a.score > b.score : a.left < b.left
        }
    }

    private struct Symbol {
        var start: Int32
        var length: Int32
        var previous: Int32
        var next: Int32
        var isFrozen: Bool
    }

    /// The score of each id.
    var scores: [Float]
    /// Whether text may merge into this token.
    var mergeable: [Bool]
    /// Whether the token only leads to longer ones and is taken apart in the end.
    var unused: [Bool]
    /// Stands for a character that is no token.
    var unknown: TokenID?
    /// Neighbouring unknown characters become one token.
    var fusesUnknown = false
    /// The tokens `<0x00>` to `<0xFF>`, -1 where there is none; empty if unknown characters are not split.
    var byteTokens: [TokenID] = []
    /// Texts that are cut out first and never merge.
    var userDefined = ByteTrie()
    /// See ``TokenModel/splitsBeforeSpaceMark``.
    var splitsBeforeSpaceMark = false
    /// See ``TokenModel/isolatesLineFeeds``.
    private(set) var isolatesLineFeeds = false

    /// Finds out whether words can be encoded one by one.
    mutating func findSplits(_ vocabulary: Vocabulary) {
        guard !unused.contains(true), let mark = vocabulary.id(of: SentencePieceNormalizer.spaceMark),
            mark != unknown
        else { return }
        splitsBeforeSpaceMark = !(0..<TokenID(vocabulary.idBound)).contains { id in
            vocabulary.text(of: id).map { SentencePieceNormalizer.hasInnerMark(Array($0)) } ?? false
        }
        let hasLineFeed =
            vocabulary.id(of: [0x0A]).map { $0 != unknown }
            ?? (byteTokens.count == 256 && !byteTokens.contains(-1))
        isolatesLineFeeds =
            hasLineFeed
            && !(0..<TokenID(vocabulary.idBound)).contains { id in
                vocabulary.text(of: id).map { $0.count > 1 && $0.contains(0x0A) } ?? false
            }
    }

    /// Appends the tokens of `text`.
    func encode(
        _ text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary, into ids: inout [TokenID],
        _ scratch: inout ModelBuffers
    ) {
        var symbols = split(text)
        var splits: [TokenID: Int32] = [:]  // where an unused token was joined
        scratch.agenda.removeAll()
        for index in symbols.indices.dropLast() {
            push(index, symbols, text, vocabulary, &splits, &scratch.agenda)
        }
        while let top = scratch.agenda.pop() {
            let (left, right) = (Int(top.left), Int(top.right))
            guard symbols[left].length > 0, symbols[right].length > 0,
                symbols[left].length + symbols[right].length == top.length
            else { continue }
            symbols[left].length = top.length
            symbols[right].length = 0
            let next = symbols[right].next
            symbols[left].next = next
            if next >= 0 { symbols[Int(next)].previous = top.left }
            let previous = symbols[left].previous
            if previous >= 0 { push(Int(previous), symbols, text, vocabulary, &splits, &scratch.agenda) }
            if next >= 0 { push(left, symbols, text, vocabulary, &splits, &scratch.agenda) }
        }
        var writer = TokenWriter(model: self)
        for symbol in symbols where symbol.length > 0 {
            let start = Int(symbol.start)
            append(start..<start + Int(symbol.length), of: text, vocabulary, splits, &writer, into: &ids)
        }
    }

    private func split(_ text: UnsafeBufferPointer<UInt8>) -> [Symbol] {
        var symbols: [Symbol] = []
        var position = 0
        while position < text.count {
            let match = userDefined.isEmpty ? nil : userDefined.longestMatch(in: text, at: position)
            let end = match?.end ?? position + UTF8Step.length(text, at: position)
            let index = Int32(symbols.count)
            symbols.append(
                Symbol(
                    start: Int32(position), length: Int32(end - position), previous: index - 1,
                    next: end == text.count ? -1 : index + 1, isFrozen: match != nil))
            position = end
        }
        return symbols
    }

    /// Queues the pair that starts at symbol `left` if it merges.
    private func push(
        _ left: Int, _ symbols: [Symbol], _ text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary,
        _ splits: inout [TokenID: Int32], _ agenda: inout MinimumHeap<Candidate>
    ) {
        let first = symbols[left]
        let second = symbols[Int(first.next)]
        guard !first.isFrozen, !second.isFrozen else { return }
        let length = first.length + second.length
        let start = Int(first.start)
        guard length <= vocabulary.longest,
            let id = vocabulary.id(of: UnsafeBufferPointer(rebasing: text[start..<start + Int(length)])),
            mergeable[Int(id)]
        else { return }
        agenda.push(
            Candidate(score: scores[Int(id)], left: Int32(left), right: first.next, length: length))
        if unused[Int(id)] { splits[id] = first.length }
    }

    /// Appends what one symbol stands for; unused tokens fall apart into what they were joined from.
    private func append(
        _ range: Range<Int>, of text: UnsafeBufferPointer<UInt8>, _ vocabulary: Vocabulary,
        _ splits: [TokenID: Int32], _ writer: inout TokenWriter, into ids: inout [TokenID]
    ) {
        var stack = [range]
        while let range = stack.popLast() {
            let part = UnsafeBufferPointer(rebasing: text[range])
            let id = vocabulary.id(of: part)
            if let id, unused[Int(id)], let length = splits[id] {
                let middle = range.lowerBound + Int(length)
                stack.append(middle..<range.upperBound)
                stack.append(range.lowerBound..<middle)
            } else {
                writer.append(id, part, into: &ids)
            }
        }
    }

    /// Replaces what is no token by byte tokens or by the unknown token.
    private struct TokenWriter {
        let model: ScoredPairModel
        var lastWasUnknown = false

        mutating func append(
            _ id: TokenID?, _ text: UnsafeBufferPointer<UInt8>, into ids: inout [TokenID]
        ) {
            if let id, id != model.unknown {
                ids.append(id)
                lastWasUnknown = false
            } else if !model.byteTokens.isEmpty, text.allSatisfy({ model.byteTokens[Int($0)] >= 0 }) {
                ids.append(contentsOf: text.map { model.byteTokens[Int($0)] })
                lastWasUnknown = false
            } else if let unknown = model.unknown {
                if !(lastWasUnknown && model.fusesUnknown) { ids.append(unknown) }
                lastWasUnknown = true
            }
        }
    }
}
