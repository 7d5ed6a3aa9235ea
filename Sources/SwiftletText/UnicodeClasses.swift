/// What the splitting rules ask of a character, as bits.
struct CharacterClass: OptionSet, Sendable {
    let rawValue: UInt8
    /// General category L.
    static let letter = CharacterClass(rawValue: 1)
    /// General category N.
    static let number = CharacterClass(rawValue: 2)
    /// The property White_Space, `\s`.
    static let space = CharacterClass(rawValue: 4)
    /// General category M.
    static let mark = CharacterClass(rawValue: 8)
    /// General category P.
    static let punctuation = CharacterClass(rawValue: 16)
    /// General category S.
    static let symbol = CharacterClass(rawValue: 32)
    /// General categories Lu and Lt.
    static let upper = CharacterClass(rawValue: 64)
    /// General category Ll.
    static let lower = CharacterClass(rawValue: 128)
}

/// Properties of characters in Unicode 16.0, the version of the engine inside Hugging Face `tokenizers`.
///
/// The tables come with the package, so the same text gives the same tokens on every system.
struct UnicodeClasses: @unchecked Sendable {
    /// The table of the process; never written after it is made, never freed.
    static let shared = UnicodeClasses()

    /// ``CharacterClass`` bits of every value below ``UTF8Text/valueCount``.
    let bits: UnsafePointer<UInt8>

    /// The classes of a value that ``UTF8Text`` returned.
    @inline(__always)
    subscript(value: UInt32) -> CharacterClass { CharacterClass(rawValue: bits[Int(value)]) }

    private init() {
        let table = UnsafeMutablePointer<UInt8>.allocate(capacity: UTF8Text.valueCount)
        table.initialize(repeating: 0, count: UTF8Text.valueCount)
        let classes = UnicodeCategories.names.map { UnicodeClasses.classes(ofCategory: $0).rawValue }
        for run in UnicodeCategories.runs {
            (table + run.first).update(repeating: classes[run.value], count: run.count)
        }
        for range in UnicodeCategories.whiteSpace {
            for value in range { table[Int(value)] |= CharacterClass.space.rawValue }
        }
        bits = UnsafePointer(table)
    }

    private static func classes(ofCategory name: String) -> CharacterClass {
        switch name {
        case "Lu", "Lt": [.letter, .upper]
        case "Ll": [.letter, .lower]
        case "Lm", "Lo": .letter
        case "Nd", "Nl", "No": .number
        case "Mn", "Mc", "Me": .mark
        case "Sm", "Sc", "Sk", "So": .symbol
        case let other where other.hasPrefix("P"): .punctuation
        default: []
        }
    }
}

/// The general categories and scripts behind ``UnicodeClasses`` and the classes of patterns.
enum UnicodeCategories {
    /// `count` characters from `first` on that share a value.
    struct Run: Sendable {
        let first: Int
        let count: Int
        let value: Int
    }

    /// Two-letter names in the order of the numbers in ``runs``.
    static let names: [String] = [
        "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
        "Po",
        "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
    ]

    /// The property White_Space, which no version of Unicode since 6.3 has changed.
    static let whiteSpace: [ClosedRange<UInt32>] = [
        0x09...0x0D, 0x20...0x20, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
        0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
    ]

    /// General categories of all code points, ascending; values are places in ``names``.
    static let runs: [Run] = {
        var runs: [Run] = []
        var first = 0
        var value = -1
        var count = 0
        func finish() {
            guard value >= 0 else { return }
            runs.append(Run(first: first, count: max(count, 1), value: value))
            first += max(count, 1)
            count = 0
        }
        UnicodeData.categories.withUTF8Buffer { text in
            for byte in text {
                if byte < 0x3A {
                    count = count * 10 + Int(byte - 0x30)
                } else {
                    finish()
                    value = byte < 0x61 ? Int(byte) - 0x41 : Int(byte) - 0x61 + 26
                }
            }
        }
        finish()
        return runs
    }()

    /// Names of scripts as in `Old_Italic`; a script's number is its place here, from one.
    static let scriptNames: [String] = "\(UnicodeData.scriptNames)".split(separator: " ").map(String.init)

    /// Scripts of all code points, ascending; zero stands for none.
    static let scriptRuns: [Run] = {
        var reader = PackedNumbers(UnicodeData.scripts)
        var runs: [Run] = []
        var first = 0
        while let value = reader.next(), let count = reader.next() {
            runs.append(Run(first: first, count: count, value: value))
            first += count
        }
        return runs
    }()

    /// Number of the script of a character, zero for none. Complexity: logarithmic.
    static func script(of value: UInt32) -> Int {
        let runs = scriptRuns
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].first + runs[middle].count <= Int(value) {
                low = middle + 1
            } else {
                high = middle
            }
        }
        return low < runs.count ? runs[low].value : 0
    }
}

/// Reads numbers in base 32: `a…z0…5` are the digits before the last one, `A…Z6…9+-` those that end a number.
struct PackedNumbers {
    private let text: [UInt8]
    private var position = 0

    /// Starts at the beginning of `text`.
    init(_ text: StaticString) {
        self.text = text.withUTF8Buffer { Array($0) }
    }

    /// The next number; `nil` at the end.
    mutating func next() -> Int? {
        var number = 0
        while position < text.count {
            let byte = Int(text[position])
            position += 1
            switch byte {
            case 0x61...0x7A: number = number * 32 + byte - 0x61
            case 0x30...0x35: number = number * 32 + byte - 0x30 + 26
            case 0x41...0x5A: return number * 32 + byte - 0x41
            case 0x36...0x39: return number * 32 + byte - 0x36 + 26
            default: return number * 32 + (byte == 0x2B ? 30 : 31)
            }
        }
        return nil
    }
}
