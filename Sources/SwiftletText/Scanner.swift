/// Cuts text the way the word patterns of the well-known byte-level vocabularies do, without a pattern matcher.
///
/// Every family covers all text: each position starts a piece, so pieces have no gaps.
///
/// Source: Radford et al., 2019, `encoder.py` of GPT-2; the `cl100k_base` and `o200k_base` encodings of tiktoken;
/// the tokenizer.json files of Llama 3, Qwen 2, Qwen 3.5 and Tekken.
struct Scanner: Sendable, Hashable {
    /// The order of the alternatives.
    enum Family: Sendable, Hashable {
        /// `'s|… ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
        case gpt2
        /// `[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
        case cl100k
        /// As ``cl100k``, with words that end where a capital follows a small letter.
        case o200k
    }

    /// How `'s`, `'t`, `'re`, `'ve`, `'m`, `'ll` and `'d` are cut off.
    enum Contractions: Sendable, Hashable {
        case none
        /// Small letters only.
        case small
        /// Both cases of A to Z.
        case bothCases
        /// By case folding, so that U+017F counts as an s.
        case folded
    }

    var family: Family
    var contractions: Contractions
    /// Longest piece of numbers.
    var numberLimit = Int.max
    /// Whether `\p{M}` counts as part of words.
    var marksInWords = false
    /// Whether spaces at the end of the text stay together although line ends are among them.
    var keepsFinalSpaces = false
    /// Whether `/` may follow punctuation together with line ends.
    var slashAfterPunctuation = false

    /// End of the piece that starts at byte `start` of `text`, which ends at `end`; more than `start`.
    @inline(__always)
    func pieceEnd(
        _ text: UnsafePointer<UInt8>, from start: Int, to end: Int, _ classes: UnicodeClasses
    ) -> Int {
        let cursor = ScannerCursor(text: text, end: end, classes: classes)
        switch family {
        case .gpt2: return gpt2(cursor, start)
        case .cl100k: return cl100k(cursor, start)
        case .o200k: return o200k(cursor, start)
        }
    }

    @inline(__always)
    private func gpt2(_ text: ScannerCursor, _ start: Int) -> Int {
        let first = text.text[start]
        if first == 0x27, let end = contraction(text, start) { return end }
        let body = first == 0x20 ? start + 1 : start
        guard body < text.end else { return text.end }
        let (class0, width) = text.classes(at: body)
        let next = body + width
        if class0.contains(.letter) { return text.skip(.letter, from: next) }
        if class0.contains(.number) { return text.skip(.number, from: next) }
        if !class0.contains(.space) { return text.skipOthers([.letter, .number, .space], from: next) }
        return text.spaces(from: start, stopAfterLineEnds: false)
    }

    @inline(__always)
    private func cl100k(_ text: ScannerCursor, _ start: Int) -> Int {
        let first = text.text[start]
        if first == 0x27, contractions != .none, let end = contraction(text, start) { return end }
        let word: CharacterClass = marksInWords ? [.letter, .mark] : .letter
        let (class0, width) = text.classes(at: start)
        let next = start + width
        if !class0.isDisjoint(with: word) { return text.skip(word, from: next) }
        if class0.contains(.number) { return numbers(text, next) }
        if first != 0x0A, first != 0x0D, next < text.end {
            let (class1, width1) = text.classes(at: next)
            if !class1.isDisjoint(with: word) { return text.skip(word, from: next + width1) }
        }
        return rest(text, start, class0, next, excluding: word.union([.number, .space]))
    }

    @inline(__always)
    private func o200k(_ text: ScannerCursor, _ start: Int) -> Int {
        let first = text.text[start]
        let (class0, width) = text.classes(at: start)
        let next = start + width
        let mayLead = class0.isDisjoint(with: [.letter, .number]) && first != 0x0A && first != 0x0D
        if mayLead || class0.contains(.letter) {
            // In the order of the alternatives: each first with the leading character, then without.
            if let end = (mayLead ? endingSmall(text, next) : nil) ?? endingSmall(text, start)
                ?? (mayLead ? startingCapital(text, next) : nil) ?? startingCapital(text, start)
            {
                return contractionOrEnd(text, end)
            }
        }
        if class0.contains(.number) { return numbers(text, next) }
        return rest(text, start, class0, next, excluding: [.letter, .number, .space])
    }

    /// ` ?[^…]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+` at `start`, whose character has `class0` and ends at `next`.
    @inline(__always)
    private func rest(
        _ text: ScannerCursor, _ start: Int, _ class0: CharacterClass, _ next: Int,
        excluding excluded: CharacterClass
    ) -> Int {
        if class0.isDisjoint(with: excluded) {
            return lineEnds(text, text.skipOthers(excluded, from: next))
        }
        if text.text[start] == 0x20, next < text.end {
            let (class1, width1) = text.classes(at: next)
            if class1.isDisjoint(with: excluded) {
                return lineEnds(text, text.skipOthers(excluded, from: next + width1))
            }
        }
        return text.spaces(from: start, stopAfterLineEnds: true, keepsFinal: keepsFinalSpaces)
    }

    /// `[U]*[l]+` at `start`, where U is all letters and marks but Ll, and l all but Lu and Lt.
    private func endingSmall(_ text: ScannerCursor, _ start: Int) -> Int? {
        var i = start
        var endOfShared: Int?
        while i < text.end {
            let (class0, width) = text.classes(at: i)
            guard !class0.isDisjoint(with: [.letter, .mark]), !class0.contains(.lower) else { break }
            i += width
            if !class0.contains(.upper) { endOfShared = i }
        }
        let capitals = i
        while i < text.end {
            let (class0, width) = text.classes(at: i)
            guard !class0.isDisjoint(with: [.letter, .mark]), !class0.contains(.upper) else { break }
            i += width
        }
        return i > capitals ? i : endOfShared
    }

    /// `[U]+[l]*` at `start`, for text where ``endingSmall(_:_:)`` failed, so no l follows.
    private func startingCapital(_ text: ScannerCursor, _ start: Int) -> Int? {
        let end = text.skip(.upper, from: start)
        return end > start ? end : nil
    }

    private func numbers(_ text: ScannerCursor, _ next: Int) -> Int {
        if numberLimit == .max { return text.skip(.number, from: next) }
        var i = next
        var count = 1
        while count < numberLimit, i < text.end {
            let (class0, width) = text.classes(at: i)
            guard class0.contains(.number) else { break }
            i += width
            count += 1
        }
        return i
    }

    @inline(__always)
    private func lineEnds(_ text: ScannerCursor, _ start: Int) -> Int {
        var i = start
        while i < text.end {
            let byte = text.text[i]
            guard byte == 0x0A || byte == 0x0D || (slashAfterPunctuation && byte == 0x2F) else { break }
            i += 1
        }
        return i
    }

    private func contractionOrEnd(_ text: ScannerCursor, _ end: Int) -> Int {
        guard contractions != .none, end < text.end, text.text[end] == 0x27 else { return end }
        return contraction(text, end) ?? end
    }

    /// End of the contraction at the apostrophe at `start`.
    private func contraction(_ text: ScannerCursor, _ start: Int) -> Int? {
        guard start + 1 < text.end else { return nil }
        let mask: UInt8 = contractions == .small ? 0 : 0x20  // sets the bit that makes A to Z small
        switch text.text[start + 1] | mask {
        case 0x73, 0x74, 0x6D, 0x64: return start + 2
        case 0x72, 0x76:
            return start + 2 < text.end && text.text[start + 2] | mask == 0x65 ? start + 3 : nil
        case 0x6C:
            return start + 2 < text.end && text.text[start + 2] | mask == 0x6C ? start + 3 : nil
        default:
            let isLongS = contractions == .folded && start + 2 < text.end && text.text[start + 1] == 0xC5
            return isLongS && text.text[start + 2] == 0xBF ? start + 3 : nil
        }
    }
}

/// Text with the table of classes at hand.
struct ScannerCursor {
    let text: UnsafePointer<UInt8>
    let end: Int
    let classes: UnicodeClasses

    /// Classes and width of the character at byte `i`, which is before the end.
    @inline(__always)
    func classes(at i: Int) -> (classes: CharacterClass, width: Int) {
        let (value, width) = UTF8Text.decode(text, i, end)
        return (classes[value], width)
    }

    /// The first place from `start` on whose character is in none of `wanted`.
    @inline(__always)
    func skip(_ wanted: CharacterClass, from start: Int) -> Int {
        var i = start
        while i < end {
            let (found, width) = classes(at: i)
            if found.isDisjoint(with: wanted) { break }
            i += width
        }
        return i
    }

    /// The first place from `start` on whose character is in one of `unwanted`.
    @inline(__always)
    func skipOthers(_ unwanted: CharacterClass, from start: Int) -> Int {
        var i = start
        while i < end {
            let (found, width) = classes(at: i)
            if !found.isDisjoint(with: unwanted) { break }
            i += width
        }
        return i
    }

    /// `\s+\z` and `\s*[\r\n]+` if asked, then `\s+(?!\S)|\s+`, at `start`, which holds a space.
    @inline(__always)
    func spaces(from start: Int, stopAfterLineEnds: Bool, keepsFinal: Bool = false) -> Int {
        var i = start
        var last = start
        var lineEnd: Int?
        while i < end {
            let (found, width) = classes(at: i)
            guard found.contains(.space) else { break }
            last = i
            i += width
            if text[last] == 0x0A || text[last] == 0x0D { lineEnd = i }
        }
        if keepsFinal, i == end { return i }
        if stopAfterLineEnds, let lineEnd { return lineEnd }
        return i == end || last == start ? i : last
    }
}
