internal import SwiftletTensor

/// One step of a ``PreTokenizer``.
enum PreTokenizerStep: Sendable {
    /// When a ``metaspace(replacement:prefix:splits:)`` step puts its mark before a piece that has none.
    enum Prefix: Sendable {
        case always, first, never
    }

    case scan(Scanner)
    case pattern(Pattern, SplitBehavior, inverted: Bool)
    case literal([UInt8], SplitBehavior, inverted: Bool)
    case delimiter(UInt32)
    case digits(SplitBehavior)
    /// Cuts runs of a set into threes, counted from the right.
    case threes(CharacterSet)
    case punctuation(SplitBehavior)
    case whitespace
    /// Cuts at white space, which goes, and around punctuation.
    case bertWords
    case scripts
    case fixedLength(Int)
    case metaspace(replacement: UInt32, prefix: Prefix, splits: Bool)
    /// Puts a space before pieces that do not start with one.
    case spaceBefore
    /// Writes bytes in the byte-level alphabet, for steps that come behind a `ByteLevel`.
    case toAlphabet

    /// The step that splits at the matches of a pattern, by a faster way than the matcher where there is one.
    static func split(
        at text: String, _ behavior: SplitBehavior, inverted: Bool, source: String
    ) throws(SwiftletError) -> PreTokenizerStep {
        // The scanners' patterns match everywhere, so only what becomes of the matches decides.
        let keepsMatches = behavior == .isolated || behavior == .removed && inverted
        if keepsMatches, let scanner = Scanner(pattern: text) { return .scan(scanner) }
        switch text {
        case #"\p{N}"# where !inverted: return .digits(behavior)
        case #"(?=(\d{3})+(?!\d))"# where behavior == .isolated: return .threes(.digit)
        case #"(?=(\p{N}{3})+(?!\p{N}))"# where behavior == .isolated:
            return .threes(CharacterSet(category: "N"))
        default: return .pattern(try Pattern(text, source: source), behavior, inverted: inverted)
        }
    }

    /// Replaces `pieces` by the pieces that the step makes of them.
    func apply(to pieces: inout Pieces) {
        switch self {
        case .scan(let scanner):
            pieces.cut(.isolated) { text, report in scanner.forEachPiece(of: text, report) }
        case .pattern(let pattern, let behavior, let inverted):
            pieces.cut(behavior, inverted: inverted) { text, report in
                pattern.forEachMatch(in: text, report)
            }
        case .literal(let literal, let behavior, let inverted):
            pieces.cut(behavior, inverted: inverted) { text, report in
                PreTokenizerStep.forEachOccurrence(of: literal, in: text, report)
            }
        case .delimiter(let delimiter): pieces.cut(.removed) { $0 == delimiter }
        case .digits(let behavior):
            let classes = UnicodeClasses.shared
            pieces.cut(behavior) { classes[$0].contains(.number) }
        case .threes(let set): pieces.cutIntoThrees(set)
        case .punctuation(let behavior): pieces.cut(behavior) { BertClasses.punctuation.contains($0) }
        case .whitespace:
            let classes = UnicodeClasses.shared
            pieces.cut(.removed) { classes[$0].contains(.space) }
        case .bertWords: pieces.cutIntoBertWords()
        case .scripts: pieces.cutAtScripts()
        case .fixedLength(let length): pieces.cutAtLength(length)
        case .metaspace(let replacement, let prefix, let splits):
            pieces.applyMetaspace(replacement, prefix, splits: splits)
        case .spaceBefore:
            pieces.rewrite { $0.first == 0x20 ? Array($0) : [0x20] + $0 }
        case .toAlphabet: pieces.rewrite { ByteAlphabet.encode($0) }
        }
    }

    /// Calls `body` with the range of every occurrence of `literal`, which is not empty, without overlap.
    static func forEachOccurrence(
        of literal: [UInt8], in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void
    ) {
        var i = 0
        while i + literal.count <= text.count {
            if text[i] == literal[0], text[i..<i + literal.count].elementsEqual(literal) {
                body(i..<i + literal.count)
                i += literal.count
            } else {
                i += 1
            }
        }
    }
}

extension Pieces {
    /// Marks spaces by `replacement`, puts one in front as the scheme says, and cuts before every mark.
    mutating func applyMetaspace(_ replacement: UInt32, _ prefix: PreTokenizerStep.Prefix, splits: Bool) {
        let mark = UTF8Text.bytes([replacement])
        var text: [UInt8] = []
        var cut: [Range<Int>] = []
        text.reserveCapacity(bytes.count + bytes.count / 2 + mark.count * ranges.count)
        cut.reserveCapacity(splits ? bytes.count / 4 : ranges.count)
        var origin = 0
        for range in ranges {
            let isFirst = range.lowerBound < originCount
            let isMarked = bytes[range.lowerBound] == 0x20 || bytes[range].starts(with: mark)
            let start = text.count
            if !isMarked, prefix == .always || prefix == .first && isFirst { text += mark }
            if isFirst {
                let beginning = bytes[range.prefix(originCount - range.lowerBound)]
                let spaces = beginning.count { $0 == 0x20 }
                origin = text.count + beginning.count + spaces * (mark.count - 1)
            }
            NormalizerStep.appendReplacing(0x20, by: mark, in: bytes[range], to: &text)
            if splits {
                Self.cut(text, from: start, before: mark, into: &cut)
            } else {
                cut.append(start..<text.count)
            }
        }
        (bytes, ranges, originCount) = (text, cut, origin)
    }

    /// Cuts the end of a text before every `mark`.
    private static func cut(
        _ text: [UInt8], from start: Int, before mark: [UInt8], into ranges: inout [Range<Int>]
    ) {
        text.withUnsafeBufferPointer { text in
            var position = start
            var i = start + 1
            while i + mark.count <= text.count {
                if text[i] == mark[0], text[i..<i + mark.count].elementsEqual(mark) {
                    ranges.append(position..<i)
                    position = i
                }
                i += 1
            }
            if position < text.count { ranges.append(position..<text.count) }
        }
    }

    /// Keeps only the words that ``BertWords`` finds.
    mutating func cutIntoBertWords() {
        var cut: [Range<Int>] = []
        bytes.withUnsafeBufferPointer { bytes in
            for range in ranges {
                BertWords.forEach(in: UnsafeBufferPointer(rebasing: bytes[range])) { word in
                    cut.append(word.lowerBound + range.lowerBound..<word.upperBound + range.lowerBound)
                }
            }
        }
        ranges = cut
    }

    /// Cuts where the script changes, as SentencePiece does: kana count as Han, spaces as any script.
    mutating func cutAtScripts() {
        cutBefore { value, last in
            let script = ScriptNumbers.number(of: value)
            if script == 0 { return false }
            defer { last = script }
            return last != script
        }
    }

    /// Cuts runs of a set into threes from the right; the end of a run is no cut.
    mutating func cutIntoThrees(_ set: CharacterSet) {
        cut(.isolated) { text, report in
            guard let base = text.baseAddress else { return }
            var i = 0
            var places: [Int] = []
            while i < text.count {
                let (value, width) = UTF8Text.decode(base, i, text.count)
                if set.contains(value) { places.append(i) }
                i += width
                guard !set.contains(value) || i == text.count else { continue }
                for (place, start) in places.enumerated() where (places.count - place) % 3 == 0 {
                    report(start..<start)
                }
                places.removeAll(keepingCapacity: true)
            }
        }
    }

    /// Cuts behind every `length` characters.
    mutating func cutAtLength(_ length: Int) {
        cutBefore { _, count in
            defer { count = (count + 1) % length }
            return count == 0
        }
    }

    /// Cuts before the characters for which `isStart` holds and drops what is before the first of them, as
    /// `tokenizers` does for text that begins without a script; the second argument is a state, 0 at first.
    private mutating func cutBefore(_ isStart: (UInt32, inout Int) -> Bool) {
        cut(.removed, inverted: true) { text, report in
            guard let base = text.baseAddress else { return }
            var state = 0
            var start: Int?
            var i = 0
            while i < text.count {
                let (value, width) = UTF8Text.decode(base, i, text.count)
                if isStart(value, &state) {
                    if let start { report(start..<i) }
                    start = i
                }
                i += width
            }
            if let start { report(start..<text.count) }
        }
    }
}

/// The scripts as the step `UnicodeScripts` numbers them; its Unicode is older than that of the patterns.
private enum ScriptNumbers {
    private static let han = number("Han")
    private static let hiragana = number("Hiragana")
    private static let katakana = number("Katakana")
    private static let common = number("Common")
    private static let devanagari = number("Devanagari")
    private static let lacking = CharacterSet(runs: UnicodeData.unscripted)

    private static func number(_ name: String) -> Int {
        (UnicodeCategories.scriptNames.firstIndex(of: name) ?? -1) + 1
    }

    /// The script of a character, 0 for a space and for what has none.
    static func number(of value: UInt32) -> Int {
        switch value {
        case 0x20: return 0
        case 0x30FC: return han
        case 0x0589, 0x061C: return common
        case 0x0953, 0x0954: return devanagari
        default:
            if lacking.contains(value) { return 0 }
            let script = UnicodeCategories.script(of: value)
            return script == hiragana || script == katakana ? han : script
        }
    }
}

/// The classes that the BERT steps of `tokenizers` use; their Unicode is older than that of the patterns.
enum BertClasses {
    /// General category P and the symbols of ASCII.
    static let punctuation = CharacterSet(category: "P")
        .union(CharacterSet([0x21...0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E]))
        .changed(by: UnicodeData.punctuationChanges)
    /// What `clean_text` removes: controls, formats, private use, U+0000 and U+FFFD, but no line ends and tabs.
    static let removed = ["Cc", "Cf", "Co"].reduce(CharacterSet([0xFFFD...0xFFFD])) {
        $0.union(CharacterSet(category: $1))
    }
    .intersection(CharacterSet([0x09...0x0A, 0x0D...0x0D]).complement)
    .changed(by: UnicodeData.controlsChanges)
    /// General category Mn, which `strip_accents` removes.
    static let nonspacingMarks = CharacterSet(category: "Mn").changed(by: UnicodeData.nonspacingMarksChanges)
    /// General category M, which `StripAccents` removes.
    static let combiningMarks = CharacterSet(category: "M").changed(by: UnicodeData.combiningMarksChanges)
}

extension CharacterSet {
    /// The set with membership turned around in every second one of the runs whose lengths `changes` holds.
    fileprivate func changed(by changes: StaticString) -> CharacterSet {
        let changes = CharacterSet(runs: changes)
        return intersection(changes.complement).union(changes.intersection(complement))
    }
}

/// The alphabet of GPT-2, one printable character for each byte.
package enum ByteAlphabet {
    /// The character of each byte.
    package static let characters: [UInt32] = {
        var next: UInt32 = 256
        return (0..<256).map { (byte: UInt32) in
            if (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte) {
                return byte
            }
            defer { next += 1 }
            return next
        }
    }()

    private static let bytesOfCharacters: [UInt8?] = {
        var bytes = [UInt8?](repeating: nil, count: 0x180)
        for (byte, character) in characters.enumerated() { bytes[Int(character)] = UInt8(byte) }
        return bytes
    }()

    /// The byte of a character; `nil` if the character is not in the alphabet.
    package static func byte(of character: UInt32) -> UInt8? {
        character < 0x180 ? bytesOfCharacters[Int(character)] : nil
    }

    /// `bytes` written in the alphabet, as UTF-8.
    package static func encode(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        let characters = characters
        return UTF8Text.bytes(bytes.lazy.map { characters[Int($0)] })
    }
}
