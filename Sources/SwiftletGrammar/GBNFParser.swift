import SwiftletTensor

/// Reads GBNF, the grammar notation of llama.cpp.
///
/// Source: llama.cpp, `grammars/README.md`. Beyond what is written there: names may contain `_`, and counts are
/// kept exactly where llama.cpp gives up above 2000.
struct GBNFParser {
    private var scanner: GrammarScanner
    private var rules = GrammarRules()
    private var indices: [String: Int] = [:]
    private var defined: Set<Int> = []
    /// Where each rule was first used, as an error in case it is never defined.
    private var uses: [(rule: Int, error: SwiftletError)] = []
    private var depth = 0

    private init(_ text: String, source: String) throws(SwiftletError) {
        scanner = try GrammarScanner(text, source: source)
    }

    /// The rules of a grammar.
    ///
    /// - Throws: `.malformed` with line and column; `.missing` for a rule that is used or `root` but not defined.
    static func parse(_ text: String, source: String) throws(SwiftletError) -> GrammarRules {
        var parser = try GBNFParser(text, source: source)
        return try parser.parse()
    }

    private mutating func parse() throws(SwiftletError) -> GrammarRules {
        skipSpace(newlines: true)
        while !scanner.isAtEnd { try parseRule() }
        for use in uses where !defined.contains(use.rule) { throw use.error }
        guard let root = indices["root"], defined.contains(root) else {
            throw SwiftletError(
                .missing,
                "\(scanner.source): there is no rule 'root', which the whole text must match; add one")
        }
        rules.root = root
        return rules
    }

    private mutating func parseRule() throws(SwiftletError) {
        let name = try parseName()
        skipSpace(newlines: false)
        guard scanner.take("::=") else { throw scanner.expected("'::=' after the rule name '\(name)'") }
        skipSpace(newlines: true)
        let rule = index(of: name)
        rules.bodies[rule] = try parseChoice(isNested: false)
        defined.insert(rule)
        guard scanner.isAtEnd || scanner.next == 0x0A || scanner.next == 0x0D else {
            throw scanner.expected("a symbol or the end of the line")
        }
        skipSpace(newlines: true)
    }

    private mutating func index(of name: String) -> Int {
        if let index = indices[name] { return index }
        let index = rules.add(name)
        indices[name] = index
        return index
    }

    private mutating func parseName() throws(SwiftletError) -> String {
        let name = scanner.takeWhile(Self.isName)
        guard !name.isEmpty else { throw scanner.expected("a rule name") }
        return String(decoding: name, as: UTF8.self)
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
        default: false
        }
    }

    private mutating func skipSpace(newlines: Bool) {
        while true {
            switch scanner.next {
            case UInt8(ascii: " "), UInt8(ascii: "\t"): scanner.advance()
            case 0x0A, 0x0D:
                guard newlines else { return }
                scanner.advance()
            case UInt8(ascii: "#"): _ = scanner.takeWhile { $0 != 0x0A && $0 != 0x0D }
            default: return
            }
        }
    }

    // MARK: Expressions

    private mutating func parseChoice(isNested: Bool) throws(SwiftletError) -> GrammarNode {
        guard depth < GrammarLimits.depth else {
            throw scanner.problem("found groups nested deeper than \(GrammarLimits.depth), the limit", .limit)
        }
        depth += 1
        defer { depth -= 1 }
        var choices = [try parseSequence(isNested)]
        while scanner.take("|") {
            skipSpace(newlines: true)
            choices.append(try parseSequence(isNested))
        }
        return choices.count == 1 ? choices[0] : .choice(choices)
    }

    private mutating func parseSequence(_ isNested: Bool) throws(SwiftletError) -> GrammarNode {
        var items: [GrammarNode] = []
        while let item = try parseItem() {
            skipSpace(newlines: isNested)
            items.append(try parseQuantifiers(item, isNested))
        }
        return items.count == 1 ? items[0] : .sequence(items)
    }

    private mutating func parseQuantifiers(
        _ item: GrammarNode, _ isNested: Bool
    ) throws(SwiftletError) -> GrammarNode {
        var item = item
        var quantifiers = 0
        while let (low, high) = try parseQuantifier() {
            item = .repetition(item, low, high)
            quantifiers += 1
            guard quantifiers <= GrammarLimits.quantifiers else {
                throw scanner.problem(
                    "found more than \(GrammarLimits.quantifiers) quantifiers in a row, the limit", .limit)
            }
            skipSpace(newlines: isNested)
        }
        return item
    }

    private mutating func parseQuantifier() throws(SwiftletError) -> (Int, Int?)? {
        if scanner.take("*") { return (0, nil) }
        if scanner.take("+") { return (1, nil) }
        if scanner.take("?") { return (0, 1) }
        guard scanner.take("{") else { return nil }
        return try scanner.counts { scanner in _ = scanner.takeWhile { $0 == 0x20 || $0 == 0x09 } }
    }

    /// One symbol, or `nil` where a sequence ends.
    private mutating func parseItem() throws(SwiftletError) -> GrammarNode? {
        switch scanner.next {
        case UInt8(ascii: "\""): return try parseLiteral()
        case UInt8(ascii: "["): return try parseClass()
        case UInt8(ascii: "<"), UInt8(ascii: "!"): return try parseToken()
        case UInt8(ascii: "."):
            scanner.advance()
            return .set(.all)
        case UInt8(ascii: "("):
            scanner.advance()
            skipSpace(newlines: true)
            let group = try parseChoice(isNested: true)
            guard scanner.take(")") else { throw scanner.expected("')'") }
            return group
        case UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "?"), UInt8(ascii: "{"):
            throw scanner.expected("a symbol before the quantifier")
        case let byte where Self.isName(byte):
            let missing = scanner
            let name = try parseName()
            let rule = index(of: name)
            if !defined.contains(rule) {
                uses.append(
                    (rule, missing.problem("the rule '\(name)' is used but not defined; define it", .missing))
                )
            }
            return .rule(rule)
        default: return nil
        }
    }

    private mutating func parseLiteral() throws(SwiftletError) -> GrammarNode {
        scanner.advance()
        var bytes: [UInt8] = []
        while !scanner.take("\"") {
            guard !scanner.isAtEnd else { throw scanner.expected("'\"' at the end of the literal") }
            bytes += ScalarSet.encode(try parseCharacter())
        }
        return .literal(bytes)
    }

    private mutating func parseClass() throws(SwiftletError) -> GrammarNode {
        scanner.advance()
        let isNegated = scanner.take("^")
        var ranges: [ClosedRange<UInt32>] = []
        while !scanner.take("]") {
            guard !scanner.isAtEnd else { throw scanner.expected("']' at the end of the character class") }
            let low = try parseCharacter()
            var high = low
            if scanner.next == UInt8(ascii: "-"), scanner.peek(1) != UInt8(ascii: "]") {
                scanner.advance()
                high = try parseCharacter()
                guard low <= high else {
                    throw scanner.problem("found a character range that runs backwards")
                }
            }
            ranges.append(low...high)
        }
        guard !ranges.isEmpty else { throw scanner.problem("found an empty character class") }
        let set = ScalarSet(ranges)
        return .set(isNegated ? set.complement : set)
    }

    private mutating func parseCharacter() throws(SwiftletError) -> UInt32 {
        guard scanner.next == UInt8(ascii: "\\") else { return try scanner.scalar() }
        scanner.advance()
        let escape = scanner.next
        switch escape {
        case UInt8(ascii: "x"), UInt8(ascii: "u"), UInt8(ascii: "U"):
            scanner.advance()
            return try scanner.hexScalar(
                digits: escape == UInt8(ascii: "x") ? 2 : escape == UInt8(ascii: "u") ? 4 : 8)
        case UInt8(ascii: "t"), UInt8(ascii: "r"), UInt8(ascii: "n"):
            scanner.advance()
            return escape == UInt8(ascii: "t") ? 0x09 : escape == UInt8(ascii: "r") ? 0x0D : 0x0A
        case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "-"):
            scanner.advance()
            return UInt32(escape)
        default: throw scanner.expected("one of x u U t r n \\ \" [ ] - after a backslash")
        }
    }

    private mutating func parseToken() throws(SwiftletError) -> GrammarNode {
        let isNegated = scanner.take("!")
        guard scanner.next == UInt8(ascii: "<") else {
            throw scanner.expected("a token such as <think> or <[12]>")
        }
        if scanner.peek(1) == UInt8(ascii: "[") {
            scanner.advance()
            scanner.advance()
            let digits = scanner.takeWhile { (0x30...0x39).contains($0) }
            guard let id = Int32(String(decoding: digits, as: UTF8.self)) else {
                throw scanner.expected("a token id below 2147483648")
            }
            guard scanner.take("]>") else { throw scanner.expected("']>' after the token id") }
            return .token(TokenCondition(name: .id(id), isNegated: isNegated))
        }
        let text = scanner.takeWhile { $0 != UInt8(ascii: ">") && $0 != 0x0A }
        guard scanner.take(">") else { throw scanner.expected("'>' at the end of the token") }
        let name = String(decoding: text, as: UTF8.self) + ">"
        return .token(TokenCondition(name: .text(name), isNegated: isNegated))
    }
}
