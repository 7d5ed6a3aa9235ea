internal import SwiftletTensor

/// Reads the syntax of patterns: that of Oniguruma, which Hugging Face `tokenizers` uses, as far as splitting
/// rules need it. Groups capture nothing.
///
/// `^` and `$` are places at line ends, `(?m)` lets the dot match line feeds, `{m,n}+` repeats a repetition.
struct PatternParser {
    /// The flags of `(?imx)`.
    private struct Flags {
        var ignoresCase = false
        var dotMatchesAll = false
        var extended = false
    }

    private static let depthLimit = 100

    private let text: [UInt32]
    private let source: String
    private var position = 0
    private var depth = 0
    private var flags = Flags()

    /// Prepares to read `pattern`; `source` is named in errors.
    init(_ pattern: [UInt8], source: String) {
        text = UTF8Text.values(pattern)
        self.source = source
    }

    /// The whole pattern.
    mutating func parse() throws(SwiftletError) -> PatternNode {
        let node = try alternation()
        if position < text.count { throw error("has a closing parenthesis without an opening one") }
        return node
    }

    private func error(_ problem: String) -> SwiftletError {
        let pattern = String(decoding: UTF8Text.bytes(text), as: UTF8.self)
        return SwiftletError(
            .unsupported,
            "\(source): the pattern \"\(pattern)\" \(problem) at character \(position); "
                + "Swiftlet reads the regular expressions of published tokenizers, rewrite it with those.")
    }

    private var current: UInt32? { position < text.count ? text[position] : nil }

    private func looking(at string: StaticString) -> Bool {
        string.withUTF8Buffer { bytes in
            bytes.count <= text.count - position
                && bytes.indices.allSatisfy { text[position + $0] == UInt32(bytes[$0]) }
        }
    }

    private mutating func skip(_ string: StaticString) -> Bool {
        guard looking(at: string) else { return false }
        position += string.utf8CodeUnitCount
        return true
    }

    // MARK: Structure

    private mutating func alternation() throws(SwiftletError) -> PatternNode {
        depth += 1
        defer { depth -= 1 }
        if depth > PatternParser.depthLimit { throw error("is nested too deeply") }
        var branches = [try sequence()]
        while skip("|") { branches.append(try sequence()) }
        return branches.count == 1 ? branches[0] : .alternation(branches)
    }

    private mutating func sequence() throws(SwiftletError) -> PatternNode {
        var nodes: [PatternNode] = []
        while let character = current, character != 0x7C, character != 0x29 {
            if skip("(?#") {
                while let character = current, character != 0x29 { _ = character; position += 1 }
                if !skip(")") { throw error("has a comment without an end") }
                continue
            }
            if flags.extended, skipBlank() { continue }
            let node = try atom()
            nodes.append(try quantified(node))
        }
        return nodes.count == 1 ? nodes[0] : nodes.isEmpty ? .empty : .sequence(nodes)
    }

    private mutating func skipBlank() -> Bool {
        guard let character = current else { return false }
        if character == 0x23 {
            while let character = current, character != 0x0A { _ = character; position += 1 }
            return true
        }
        guard character == 0x20 || (0x09...0x0D).contains(character) else { return false }
        position += 1
        return true
    }

    private mutating func quantified(_ node: PatternNode) throws(SwiftletError) -> PatternNode {
        var node = node
        var count = 0
        while let (min, max, isInterval) = try quantifier() {
            count += 1
            if count > 8 { throw error("repeats repetitions too often") }
            var mode = PatternNode.Mode.greedy
            if skip("?") {
                mode = .lazy
            } else if !isInterval, skip("+") {
                mode = .possessive
            }
            node = .repetition(node, min: min, max: max, mode: mode)
        }
        return node
    }

    private mutating func quantifier() throws(SwiftletError) -> (min: Int, max: Int?, isInterval: Bool)? {
        if skip("*") { return (0, nil, false) }
        if skip("+") { return (1, nil, false) }
        if skip("?") { return (0, 1, false) }
        guard looking(at: "{") else { return nil }
        let start = position
        position += 1
        let min = try number()
        var max = min
        if skip(",") { max = try number() }
        guard skip("}"), min != nil || max != nil else {
            position = start  // a literal brace
            return nil
        }
        let isOpen = max == nil
        if let min, let max, max < min { throw error("repeats from \(min) up to only \(max)") }
        return (min ?? 0, isOpen ? nil : max, true)
    }

    private mutating func number() throws(SwiftletError) -> Int? {
        var value: Int?
        while let character = current, (0x30...0x39).contains(character) {
            let next = (value ?? 0) * 10 + Int(character - 0x30)
            if next > 1000 { throw error("repeats more than 1000 times") }
            value = next
            position += 1
        }
        return value
    }

    // MARK: Atoms

    private mutating func atom() throws(SwiftletError) -> PatternNode {
        guard let character = current else { throw error("ends too early") }
        switch character {
        case 0x28:
            position += 1
            return try group()
        case 0x5B:
            position += 1
            return .set(try bracket())
        case 0x2E:
            position += 1
            return .set(flags.dotMatchesAll ? .all : .notLineFeed)
        case 0x5E:
            position += 1
            return .place(.lineStart)
        case 0x24:
            position += 1
            return .place(.lineEnd)
        case 0x5C: return try escape()
        case 0x2A, 0x2B, 0x3F: throw error("repeats nothing")
        case 0x7B where try quantifier() != nil: throw error("repeats nothing")
        default:
            position += 1
            return literal(character)
        }
    }

    private func literal(_ character: UInt32) -> PatternNode {
        let set = CharacterSet([character...character])
        return .set(flags.ignoresCase ? set.closedUnderCase : set)
    }

    private mutating func group() throws(SwiftletError) -> PatternNode {
        let outer = flags
        defer { flags = outer }
        guard skip("?") else { return try closed(try alternation()) }
        if skip(":") { return try closed(try alternation()) }
        if skip(">") { return try closed(.atomic(try alternation())) }
        if skip("=") { return try closed(.lookahead(try alternation(), negative: false)) }
        if skip("!") { return try closed(.lookahead(try alternation(), negative: true)) }
        if skip("<=") { return try closed(try lookbehind(negative: false)) }
        if skip("<!") { return try closed(try lookbehind(negative: true)) }
        if skip("P<") || skip("<") { return try named(until: 0x3E) }
        if skip("'") { return try named(until: 0x27) }
        return try flagGroup()
    }

    private mutating func closed(_ node: PatternNode) throws(SwiftletError) -> PatternNode {
        if !skip(")") { throw error("has an opening parenthesis without a closing one") }
        return node
    }

    private mutating func named(until end: UInt32) throws(SwiftletError) -> PatternNode {
        while let character = current, character != end { _ = character; position += 1 }
        if current == nil { throw error("has a group name without an end") }
        position += 1
        return try closed(try alternation())
    }

    private mutating func lookbehind(negative: Bool) throws(SwiftletError) -> PatternNode {
        let node = try alternation()
        if node.lengths == nil { throw error("looks behind for text of unlimited length") }
        return .lookbehind(node, negative: negative)
    }

    /// `(?i:…)`, or `(?i)`, which lasts to the end of the enclosing group and takes its alternatives along.
    private mutating func flagGroup() throws(SwiftletError) -> PatternNode {
        var turnsOn = true
        while let character = current, character != 0x3A, character != 0x29 {
            switch character {
            case 0x2D: turnsOn = false
            case 0x69: flags.ignoresCase = turnsOn
            case 0x6D, 0x73: flags.dotMatchesAll = turnsOn
            case 0x78: flags.extended = turnsOn
            case 0x75: break  // Unicode is always on
            default: throw error("has an unknown kind of group")
            }
            position += 1
        }
        if skip(":") { return try closed(try alternation()) }
        if !skip(")") { throw error("has flags without an end") }
        return try alternation()
    }

    // MARK: Escapes

    private mutating func escape() throws(SwiftletError) -> PatternNode {
        guard position + 1 < text.count else { throw error("ends in a backslash") }
        let place: PatternNode.Place? =
            switch text[position + 1] {
            case 0x62: .wordBoundary
            case 0x42: .noWordBoundary
            case 0x41: .textStart
            case 0x7A: .textEnd
            case 0x5A: .textEndOrLastLine
            default: nil
            }
        if let place {
            position += 2
            return .place(place)
        }
        if skip("\\w") || skip("\\W") {
            let isNegative = text[position - 1] == 0x57
            return .set(isNegative ? CharacterSet.wordAlone.complement : .wordAlone)
        }
        if skip("\\X") { return .cluster }
        if skip("\\O") { return .set(.all) }
        if skip("\\N") { return .set(.notLineFeed) }
        if skip("\\R") {
            let lineEnds = CharacterSet([0x0A...0x0D, 0x85...0x85, 0x2028...0x2029])
            let pair = PatternNode.sequence([
                .set(CharacterSet([0x0D...0x0D])), .set(CharacterSet([0x0A...0x0A])),
            ])
            return .atomic(.alternation([pair, .set(lineEnds)]))
        }
        switch try escaped() {
        case .set(let set): return .set(set)  // no change of case, as in Oniguruma
        case .character(let character): return literal(character)
        }
    }

    private enum Escaped {
        case set(CharacterSet)
        case character(UInt32)
    }

    /// What a backslash and the following characters stand for, in and outside of brackets.
    private mutating func escaped() throws(SwiftletError) -> Escaped {
        position += 1
        guard let character = current else { throw error("ends in a backslash") }
        position += 1
        switch character {
        case 0x64: return .set(.digit)
        case 0x44: return .set(CharacterSet.digit.complement)
        case 0x73: return .set(.space)
        case 0x53: return .set(CharacterSet.space.complement)
        case 0x77: return .set(.word)
        case 0x57: return .set(CharacterSet.word.complement)
        case 0x68: return .set(.hexDigit)
        case 0x48: return .set(CharacterSet.hexDigit.complement)
        case 0x70: return .set(try property(negative: false))
        case 0x50: return .set(try property(negative: true))
        case 0x74: return .character(0x09)
        case 0x6E: return .character(0x0A)
        case 0x76: return .character(0x0B)
        case 0x66: return .character(0x0C)
        case 0x72: return .character(0x0D)
        case 0x61: return .character(0x07)
        case 0x65: return .character(0x1B)
        case 0x30: return .character(0)
        case 0x78: return .character(try hexadecimal(digits: 2))
        case 0x75: return .character(try hexadecimal(digits: 4))
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A:
            position -= 2
            throw error("has an unknown escape")
        default: return .character(character)
        }
    }

    private mutating func hexadecimal(digits: Int) throws(SwiftletError) -> UInt32 {
        let isBraced = skip("{")
        var value: UInt32 = 0
        var count = 0
        while let character = current, count < (isBraced ? 8 : digits),
            let scalar = Unicode.Scalar(character), let digit = Character(scalar).hexDigitValue,
            scalar.isASCII
        {
            value = value << 4 | UInt32(digit)
            count += 1
            position += 1
        }
        if count == 0 || (isBraced && !skip("}")) { throw error("has an incomplete character number") }
        if Unicode.Scalar(value) == nil { throw error("names a character that does not exist") }
        return value
    }

    private mutating func property(negative: Bool) throws(SwiftletError) -> CharacterSet {
        var negative = negative
        var name = ""
        if skip("{") {
            if skip("^") { negative.toggle() }
            while let character = current, character != 0x7D, let scalar = Unicode.Scalar(character) {
                name.unicodeScalars.append(scalar)
                position += 1
            }
            if !skip("}") { throw error("has a property without an end") }
        } else if let character = current, let scalar = Unicode.Scalar(character) {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        for prefix in ["Script=", "sc=", "General_Category=", "gc=", "Is"] where name.hasPrefix(prefix) {
            name.removeFirst(prefix.count)
        }
        guard let set = CharacterSet.property(name) else { throw error("has the unknown property '\(name)'") }
        return negative ? set.complement : set
    }

    // MARK: Brackets

    /// A class behind its opening bracket: members, ranges, nested classes, `&&`.
    private mutating func bracket() throws(SwiftletError) -> CharacterSet {
        depth += 1
        defer { depth -= 1 }
        if depth > PatternParser.depthLimit { throw error("is nested too deeply") }
        let isNegative = skip("^")
        var intersection: CharacterSet?
        var ranges: [ClosedRange<UInt32>] = []
        var isFirst = true
        while true {
            guard let character = current else { throw error("has a bracket without an end") }
            if character == 0x5D, !isFirst { break }
            isFirst = false
            if skip("&&") {
                let operand = CharacterSet(ranges)
                intersection = intersection.map { $0.intersection(operand) } ?? operand
                ranges = []
            } else {
                ranges += try member().ranges
            }
        }
        position += 1
        let last = CharacterSet(ranges)
        var set = intersection.map { $0.intersection(last) } ?? last
        if flags.ignoresCase { set = set.closedUnderCase }
        return isNegative ? set.complement : set
    }

    /// One member of a class: a nested class, an escape, a character or a range of characters.
    private mutating func member() throws(SwiftletError) -> CharacterSet {
        if looking(at: "[:"), let set = posixClass() { return set }
        if skip("[") { return try bracket() }
        let low: UInt32
        switch try memberCharacter() {
        case .set(let set): return set
        case .character(let character): low = character
        }
        let isRange = looking(at: "-") && position + 1 < text.count && text[position + 1] != 0x5D
        guard isRange, !looking(at: "-[") else { return CharacterSet([low...low]) }
        let start = position
        position += 1
        switch try memberCharacter() {
        case .set(let set):  // as in [a-\s]: the hyphen stands for itself
            return set.union(CharacterSet([low...low, 0x2D...0x2D]))
        case .character(let high):
            if high < low {
                position = start
                throw error("has a range that runs backwards")
            }
            return CharacterSet([low...high])
        }
    }

    private mutating func memberCharacter() throws(SwiftletError) -> Escaped {
        guard let character = current else { throw error("has a bracket without an end") }
        if character == 0x5C {
            if skip("\\b") { return .character(0x08) }
            return try escaped()
        }
        position += 1
        return .character(character)
    }

    /// `[:name:]` or `[:^name:]`; `nil`, with nothing consumed, if it is something else.
    private mutating func posixClass() -> CharacterSet? {
        let start = position
        position += 2
        let isNegative = skip("^")
        var name = ""
        while let character = current, let scalar = Unicode.Scalar(character), scalar.properties.isAlphabetic
        {
            name.unicodeScalars.append(scalar)
            position += 1
        }
        guard skip(":]"), let set = CharacterSet.posix(name) else {
            position = start
            return nil
        }
        return isNegative ? set.complement : set
    }
}
