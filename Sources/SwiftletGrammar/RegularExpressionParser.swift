import SwiftletTensor

/// Reads a ``RegularExpression``.
struct RegularExpressionParser {
    private typealias Node = RegularExpression.Node

    private var scanner: GrammarScanner
    private var depth = 0

    /// Parses a whole expression.
    static func parse(_ text: String, source: String) throws(SwiftletError) -> RegularExpression.Node {
        var parser = RegularExpressionParser(scanner: try GrammarScanner(text, source: source))
        let node = try parser.parseChoice()
        guard parser.scanner.isAtEnd else { throw parser.scanner.expected("the end, as no group is open") }
        return node
    }

    private mutating func parseChoice() throws(SwiftletError) -> Node {
        guard depth < GrammarLimits.depth else {
            throw scanner.problem("found groups nested deeper than \(GrammarLimits.depth), the limit", .limit)
        }
        depth += 1
        defer { depth -= 1 }
        var choices = [try parseSequence()]
        while scanner.take("|") { choices.append(try parseSequence()) }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func parseSequence() throws(SwiftletError) -> Node {
        var items: [Node] = []
        while !scanner.isAtEnd, scanner.next != UInt8(ascii: "|"), scanner.next != UInt8(ascii: ")") {
            let item = try parseAtom()
            items.append(try parseQuantifier(item))
        }
        return items.count == 1 ? items[0] : .sequence(items)
    }

    private mutating func parseQuantifier(_ item: Node) throws(SwiftletError) -> Node {
        let low: Int
        let high: Int?
        if scanner.take("*") {
            (low, high) = (0, nil)
        } else if scanner.take("+") {
            (low, high) = (1, nil)
        } else if scanner.take("?") {
            (low, high) = (0, 1)
        } else if scanner.next == UInt8(ascii: "{"), (0x30...0x39).contains(scanner.peek(1)) {
            scanner.advance()
            (low, high) = try scanner.counts { _ in }
        } else {
            return item
        }
        _ = scanner.take("?")
        if scanner.next == UInt8(ascii: "+") { throw unsupported("the possessive quantifier '+'") }
        guard ![UInt8(ascii: "*"), UInt8(ascii: "?")].contains(scanner.next) else {
            throw scanner.expected("something to repeat before the quantifier")
        }
        return .repetition(item, low, high)
    }

    private mutating func parseAtom() throws(SwiftletError) -> Node {
        switch scanner.next {
        case UInt8(ascii: "("): return try parseGroup()
        case UInt8(ascii: "["): return .part(.set(try parseClass()))
        case UInt8(ascii: "^"):
            scanner.advance()
            return .start
        case UInt8(ascii: "$"):
            scanner.advance()
            return .end
        case UInt8(ascii: "."):
            scanner.advance()
            return .part(.set(Self.lineEnds.complement))
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"):
            throw scanner.expected("something to repeat before the quantifier")
        case UInt8(ascii: "\\"): return try parseEscapedAtom()
        default: return .part(.literal(ScalarSet.encode(try scanner.scalar())))
        }
    }

    private mutating func parseEscapedAtom() throws(SwiftletError) -> Node {
        switch scanner.peek(1) {
        case UInt8(ascii: "b"), UInt8(ascii: "B"): throw unsupported("the word boundary \\b")
        case UInt8(ascii: "A"):
            scanner.advance()
            scanner.advance()
            return .start
        case UInt8(ascii: "z"), UInt8(ascii: "Z"):
            scanner.advance()
            scanner.advance()
            return .end
        case UInt8(ascii: "1")...UInt8(ascii: "9"), UInt8(ascii: "k"): throw unsupported("a back reference")
        default: return .part(.set(try parseEscape()))
        }
    }

    private mutating func parseGroup() throws(SwiftletError) -> Node {
        scanner.advance()
        if scanner.take("?") {
            if scanner.take(":") {
                // Groups alike.
            } else if scanner.take("P<") || scanner.next == UInt8(ascii: "<") {
                _ = scanner.take("<")
                if [UInt8(ascii: "="), UInt8(ascii: "!")].contains(scanner.next) {
                    throw unsupported("the look-behind (?<…)")
                }
                _ = scanner.takeWhile { $0 != UInt8(ascii: ">") && $0 != UInt8(ascii: ")") }
                guard scanner.take(">") else { throw scanner.expected("'>' after the name of the group") }
            } else if [UInt8(ascii: "="), UInt8(ascii: "!")].contains(scanner.next) {
                throw unsupported("the look-ahead (?\(scanner.next == UInt8(ascii: "=") ? "=" : "!")…)")
            } else {
                throw unsupported("a group with flags or conditions, (?…)")
            }
        }
        let node = try parseChoice()
        guard scanner.take(")") else { throw scanner.expected("')'") }
        return node
    }

    // MARK: Characters

    private static let lineEnds = ScalarSet([0x0A...0x0A, 0x0D...0x0D, 0x2028...0x2029])
    private static let digits = ScalarSet([0x30...0x39])
    private static let words = ScalarSet([0x30...0x39, 0x41...0x5A, 0x5F...0x5F, 0x61...0x7A])
    private static let spaces = ScalarSet([
        0x09...0x0D, 0x20...0x20, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
        0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000, 0xFEFF...0xFEFF,
    ])

    private mutating func parseClass() throws(SwiftletError) -> ScalarSet {
        scanner.advance()
        let isNegated = scanner.take("^")
        var set = ScalarSet([])
        while !scanner.take("]") {
            guard !scanner.isAtEnd else { throw scanner.expected("']' at the end of the character class") }
            let low = try parseClassItem()
            guard scanner.next == UInt8(ascii: "-"), scanner.peek(1) != UInt8(ascii: "]") else {
                set = set.union(low)
                continue
            }
            scanner.advance()
            let high = try parseClassItem()
            guard let from = Self.single(low), let to = Self.single(high) else {
                throw scanner.problem("found a range that begins or ends with a class of characters")
            }
            guard from <= to else { throw scanner.problem("found a character range that runs backwards") }
            set = set.union(ScalarSet([from...to]))
        }
        return isNegated ? set.complement : set
    }

    private mutating func parseClassItem() throws(SwiftletError) -> ScalarSet {
        if scanner.next == UInt8(ascii: "["),
            [UInt8(ascii: ":"), UInt8(ascii: ".")].contains(scanner.peek(1))
        {
            throw unsupported("the class name [:…:]")
        }
        guard scanner.next == UInt8(ascii: "\\") else {
            let scalar = try scanner.scalar()
            return ScalarSet([scalar...scalar])
        }
        guard scanner.peek(1) == UInt8(ascii: "b") else { return try parseEscape() }
        scanner.advance()
        scanner.advance()
        return ScalarSet([0x08...0x08])
    }

    private static func single(_ set: ScalarSet) -> UInt32? {
        guard set.ranges.count == 1, let range = set.ranges.first, range.count == 1 else { return nil }
        return range.lowerBound
    }

    private mutating func parseEscape() throws(SwiftletError) -> ScalarSet {
        scanner.advance()
        let letter = scanner.next
        switch letter {
        case UInt8(ascii: "p"), UInt8(ascii: "P"): throw unsupported("the Unicode property \\p{…}")
        case UInt8(ascii: "c"): throw unsupported("the control character \\c")
        case UInt8(ascii: "x"):
            scanner.advance()
            let scalar = try scanner.hexScalar(digits: 2)
            return ScalarSet([scalar...scalar])
        case UInt8(ascii: "u"):
            scanner.advance()
            let scalar = try parseUnicodeEscape()
            return ScalarSet([scalar...scalar])
        default: break
        }
        let scalar = try scanner.scalar()
        switch letter {
        case UInt8(ascii: "d"): return Self.digits
        case UInt8(ascii: "D"): return Self.digits.complement
        case UInt8(ascii: "w"): return Self.words
        case UInt8(ascii: "W"): return Self.words.complement
        case UInt8(ascii: "s"): return Self.spaces
        case UInt8(ascii: "S"): return Self.spaces.complement
        case UInt8(ascii: "t"): return ScalarSet([0x09...0x09])
        case UInt8(ascii: "n"): return ScalarSet([0x0A...0x0A])
        case UInt8(ascii: "v"): return ScalarSet([0x0B...0x0B])
        case UInt8(ascii: "f"): return ScalarSet([0x0C...0x0C])
        case UInt8(ascii: "r"): return ScalarSet([0x0D...0x0D])
        case UInt8(ascii: "0"): return ScalarSet([0x00...0x00])
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "1")...UInt8(ascii: "9"):
            throw unsupported("the escape \\\(Character(UnicodeScalar(letter)))")
        default: return ScalarSet([scalar...scalar])
        }
    }

    /// Reads what follows `\u`: four digits, two such that form a surrogate pair, or digits in braces.
    private mutating func parseUnicodeEscape() throws(SwiftletError) -> UInt32 {
        if scanner.take("{") {
            let digits = scanner.takeWhile { Character(UnicodeScalar($0)).isHexDigit }
            guard let value = UInt32(String(decoding: digits, as: UTF8.self), radix: 16),
                UnicodeScalar(value) != nil
            else { throw scanner.problem("found \\u{…} without a character's number") }
            guard scanner.take("}") else { throw scanner.expected("'}'") }
            return value
        }
        var ahead = scanner
        if let high = ahead.hexUnit(), high & 0xFC00 == 0xD800, ahead.take("\\u"), let low = ahead.hexUnit(),
            low & 0xFC00 == 0xDC00
        {
            scanner = ahead
            return 0x10000 + (high & 0x3FF) << 10 + low & 0x3FF
        }
        return try scanner.hexScalar(digits: 4)
    }

    private func unsupported(_ what: String) -> SwiftletError {
        scanner.problem("\(what) is not supported; see docs/constrained-output.md", .unsupported)
    }
}
