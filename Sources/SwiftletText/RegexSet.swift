/// A set of characters as ascending, disjoint ranges, with a bitmap for ASCII.
///
/// The universe is every value that ``UTF8Text`` can return, so a complement contains bytes that are not UTF-8.
struct CharacterSet: Sendable, Hashable {
    /// Bounds of the ranges, both inclusive: low, high, low, high, …
    private(set) var bounds: [UInt32] = []
    private var ascii: (low: UInt64, high: UInt64) = (0, 0)

    /// The union of `ranges`, which may overlap and come in any order.
    init(_ ranges: some Sequence<ClosedRange<UInt32>>) {
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = bounds.last, range.lowerBound <= last || range.lowerBound == last + 1 {
                bounds[bounds.count - 1] = max(last, range.upperBound)
            } else {
                bounds += [range.lowerBound, range.upperBound]
            }
        }
        for range in self.ranges where range.lowerBound < 128 {
            for value in range.lowerBound...min(range.upperBound, 127) {
                if value < 64 {
                    ascii.low |= 1 << UInt64(value)
                } else {
                    ascii.high |= 1 << UInt64(value - 64)
                }
            }
        }
    }

    static func == (a: CharacterSet, b: CharacterSet) -> Bool { a.bounds == b.bounds }

    func hash(into hasher: inout Hasher) { hasher.combine(bounds) }

    /// The ranges, ascending.
    var ranges: [ClosedRange<UInt32>] {
        stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]...bounds[$0 + 1] }
    }

    /// Everything that is not in the set.
    var complement: CharacterSet {
        var gaps: [ClosedRange<UInt32>] = []
        var next: UInt32 = 0
        for range in ranges {
            if range.lowerBound > next { gaps.append(next...range.lowerBound - 1) }
            next = range.upperBound + 1
        }
        let last = UInt32(UTF8Text.valueCount - 1)
        if next <= last { gaps.append(next...last) }
        return CharacterSet(gaps)
    }

    /// All characters that are in one of the sets.
    func union(_ other: CharacterSet) -> CharacterSet { CharacterSet(ranges + other.ranges) }

    /// All characters that are in both sets.
    func intersection(_ other: CharacterSet) -> CharacterSet {
        complement.union(other.complement).complement
    }

    /// Whether a character is in the set. Complexity: logarithmic in the number of ranges, constant for ASCII.
    @inline(__always)
    func contains(_ value: UInt32) -> Bool {
        if value < 64 { return ascii.low >> UInt64(value) & 1 == 1 }
        if value < 128 { return ascii.high >> UInt64(value - 64) & 1 == 1 }
        return search(value)
    }

    /// One bit for each character below U+10000.
    var bitmap: [UInt64] {
        var words = [UInt64](repeating: 0, count: 1024)
        for range in ranges where range.lowerBound < 0x10000 {
            for value in range.lowerBound...min(range.upperBound, 0xFFFF) {
                words[Int(value >> 6)] |= 1 << UInt64(value & 63)
            }
        }
        return words
    }

    private func search(_ value: UInt32) -> Bool {
        bounds.withUnsafeBufferPointer { bounds in
            var low = 0
            var high = bounds.count / 2
            while low < high {
                let middle = (low + high) / 2
                if bounds[2 * middle + 1] < value { low = middle + 1 } else { high = middle }
            }
            return low < bounds.count / 2 && bounds[2 * low] <= value
        }
    }

    /// The bytes that members begin with, all bytes above 0x7F counting as one.
    var firstBytes: ByteSet { ByteSet(low: ascii.low, high: ascii.high, others: hasNonASCII) }

    /// Whether some member is not ASCII.
    var hasNonASCII: Bool { (bounds.last ?? 0) > 127 }
}

extension CharacterSet {
    /// The characters whose general category name begins with `prefix`, such as `L` or `Lu`.
    init(category prefix: String) {
        let wanted = UnicodeCategories.names.map { $0.hasPrefix(prefix) }
        self.init(
            UnicodeCategories.runs.lazy.filter { wanted[$0.value] }
                .map { UInt32($0.first)...UInt32($0.first + $0.count - 1) })
    }

    /// The characters of a script, by its number.
    init(script number: Int) {
        self.init(
            UnicodeCategories.scriptRuns.lazy.filter { $0.value == number }
                .map { UInt32($0.first)...UInt32($0.first + $0.count - 1) })
    }

    /// `\s`.
    static let space = CharacterSet(UnicodeCategories.whiteSpace)
    /// `\d`.
    static let digit = CharacterSet(category: "Nd")
    /// All that `.` matches: everything but the line feed.
    static let notLineFeed = CharacterSet([0x0A...0x0A]).complement
    /// Everything.
    static let all = CharacterSet([]).complement
    /// `\h`, hexadecimal digits.
    static let hexDigit = CharacterSet([0x30...0x39, 0x41...0x46, 0x61...0x66])
    /// `\w` in brackets: Alphabetic, M, Nd and Pc.
    static let word = ["M", "Nd", "Pc"].reduce(alphabetic) { $0.union(CharacterSet(category: $1)) }
    /// `\w` by itself, which in Oniguruma holds the superscripts and fractions of Latin-1 as well.
    static let wordAlone = word.union(CharacterSet([0xB2...0xB3, 0xB9...0xB9, 0xBC...0xBE]))
    /// The property Alphabetic.
    static let alphabetic = CharacterSet(runs: UnicodeData.alphabetic)

    /// The members are every second one of the runs whose packed lengths `runs` holds.
    init(runs: StaticString) {
        var reader = PackedNumbers(runs)
        var members: [ClosedRange<UInt32>] = []
        var first: UInt32 = 0
        var isInside = false
        while let count = reader.next() {
            if isInside, count > 0 { members.append(first...first + UInt32(count) - 1) }
            first += UInt32(count)
            isInside.toggle()
        }
        self.init(members)
    }

    /// The set that `\p{name}` stands for: a general category, a script or a POSIX class; `nil` if unknown.
    static func property(_ name: String) -> CharacterSet? {
        let folded = String(name.lowercased().filter { $0 != "_" && $0 != "-" && $0 != " " })
        if let category = categoryNames[folded] { return CharacterSet(category: category) }
        for abbreviation in UnicodeCategories.names where abbreviation.lowercased() == folded {
            return CharacterSet(category: abbreviation)
        }
        if let place = UnicodeCategories.scriptNames.firstIndex(where: {
            $0.lowercased().filter { $0 != "_" } == folded
        }) {
            return CharacterSet(script: place + 1)
        }
        switch folded {
        case "punct": return CharacterSet(category: "P")
        case "word": return wordAlone
        case "emoji": return CharacterSet(runs: UnicodeData.emoji)
        case "emojipresentation": return CharacterSet(runs: UnicodeData.emojiPresentation)
        case "emojimodifier": return CharacterSet(runs: UnicodeData.emojiModifier)
        case "emojimodifierbase": return CharacterSet(runs: UnicodeData.emojiModifierBase)
        case "emojicomponent": return CharacterSet(runs: UnicodeData.emojiComponent)
        case "extendedpictographic": return CharacterSet(runs: UnicodeData.extendedPictographic)
        default: return posix(folded)
        }
    }

    private static let categoryNames = [
        "l": "L", "letter": "L", "m": "M", "mark": "M", "n": "N", "number": "N", "p": "P", "punctuation": "P",
        "s": "S", "symbol": "S", "z": "Z", "separator": "Z", "c": "C", "other": "C", "uppercaseletter": "Lu",
        "lowercaseletter": "Ll", "titlecaseletter": "Lt", "modifierletter": "Lm", "otherletter": "Lo",
        "nonspacingmark": "Mn", "spacingmark": "Mc", "enclosingmark": "Me", "decimalnumber": "Nd",
        "letternumber": "Nl", "othernumber": "No", "control": "Cc", "format": "Cf", "unassigned": "Cn",
    ]

    /// The class `[:name:]`; `nil` if unknown.
    static func posix(_ name: String) -> CharacterSet? {
        switch name {
        case "alpha", "alphabetic": .alphabetic
        case "alnum": alphabetic.union(.digit)
        case "digit": .digit
        case "upper", "uppercase": CharacterSet(runs: UnicodeData.uppercase)
        case "lower", "lowercase": CharacterSet(runs: UnicodeData.lowercase)
        case "space", "whitespace": .space
        case "blank": CharacterSet(category: "Zs").union(CharacterSet([0x09...0x09]))
        case "cntrl": CharacterSet(category: "Cc")
        case "punct": CharacterSet(category: "P").union(CharacterSet(category: "S"))
        case "word": .word
        case "xdigit": .hexDigit
        case "ascii": .ascii
        case "any": .all
        case "graph":
            ["Cc", "Cn", "Cs"].reduce(CharacterSet.space) { $0.union(CharacterSet(category: $1)) }.complement
        case "print": posix("graph")?.union(CharacterSet(category: "Zs"))
        default: nil
        }
    }

    /// The first 128 code points.
    static let ascii = CharacterSet([0...0x7F])
}

extension CharacterSet {
    /// The set with all characters that differ from a member only in case.
    ///
    /// Simple case folding: one character against one, so ß does not meet ss.
    var closedUnderCase: CharacterSet {
        var extra: [ClosedRange<UInt32>] = []
        if hasNonASCII {
            for family in CharacterSet.caseFamilies where family.contains(where: { contains($0) }) {
                extra += family.map { $0...$0 }
            }
        } else {
            for letter in UInt32(0x61)...0x7A where contains(letter) || contains(letter - 0x20) {
                extra += [letter...letter, letter - 0x20...letter - 0x20]
            }
            if contains(0x73) || contains(0x53) { extra.append(0x17F...0x17F) }  // long s
            if contains(0x6B) || contains(0x4B) { extra.append(0x212A...0x212A) }  // Kelvin sign
        }
        return extra.isEmpty ? self : CharacterSet(ranges + extra)
    }

    /// Groups of characters that fold to the same one.
    private static let caseFamilies: [[UInt32]] = {
        var families: [UInt32: [UInt32]] = [:]
        let cased = ["Lu", "Ll", "Lt", "Nl", "So", "Mn"].reduce(CharacterSet([])) {
            $0.union(CharacterSet(category: $1))
        }
        for value in cased.ranges.joined() where value != 0x130 && value != 0x131 {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let upper = single(scalar.properties.uppercaseMapping) ?? scalar
            let folded = single(upper.properties.lowercaseMapping) ?? upper
            families[folded.value, default: []].append(value)
        }
        return families.values.filter { $0.count > 1 }
    }()

    private static func single(_ text: String) -> Unicode.Scalar? {
        let scalars = text.unicodeScalars
        return scalars.count == 1 ? scalars.first : nil
    }
}

/// A set of bytes that tells only ASCII apart.
struct ByteSet: Sendable, Hashable {
    var low: UInt64 = 0
    var high: UInt64 = 0
    /// Whether bytes above 0x7F are members.
    var others = false

    /// Whether a byte is a member.
    @inline(__always)
    func contains(_ byte: UInt8) -> Bool {
        if byte >= 0x80 { return others }
        return (byte < 64 ? low : high) >> UInt64(byte & 63) & 1 == 1
    }

    /// Adds the members of another set.
    mutating func formUnion(_ other: ByteSet) {
        low |= other.low
        high |= other.high
        others = others || other.others
    }
}
