import SwiftletTensor

/// Splits a template into tokens as Jinja2 does with `trim_blocks` and `lstrip_blocks`.
///
/// Both settings are those of chat templates: a newline behind a block goes, and so does blank space between
/// the start of a line and a block. One newline at the end of the source goes, too.
struct Lexer {
    private(set) var tokens: [Token] = []
    let bytes: [UInt8]
    var position = 0
    private let name: String
    private var line = 1
    /// Where ``line`` was counted up to.
    private var counted = 0
    /// Whether what was read last ended in a newline.
    private var startsLine = true
    /// The closing brackets that the open ones of a tag wait for.
    private var brackets: [UInt8] = []

    init(_ source: String, name: String) {
        bytes = Self.normalized(source)
        self.name = name
    }

    /// Makes `\n` of all line ends and drops the last one.
    private static func normalized(_ source: String) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(source.utf8.count)
        var afterReturn = false
        for byte in source.utf8 {
            switch byte {
            case 0x0D: bytes.append(0x0A)
            case 0x0A where afterReturn: break
            default: bytes.append(byte)
            }
            afterReturn = byte == 0x0D
        }
        if bytes.last == 0x0A { bytes.removeLast() }
        return bytes
    }

    /// Reads the whole source into ``tokens``.
    mutating func run() throws(SwiftletError) {
        while position < bytes.count { try readData() }
        add(.end, at: bytes.count)
    }

    // MARK: Text and the starts of tags

    private enum Opening {
        case variable, block, comment, raw(end: Int)
    }

    /// Reads text up to the next tag, and the tag.
    private mutating func readData() throws(SwiftletError) {
        let start = position
        var found: Opening?
        while position < bytes.count {
            if bytes[position] == UInt8(ascii: "{"), let opening = opening() {
                found = opening
                break
            }
            position += 1
        }
        guard let found else {
            return addData(start..<position)
        }
        let sign: UInt8
        let tag = position
        if case .raw(let end) = found {
            sign = byte(at: tag + 2)
            addData(stripped(start..<tag, sign: sign, isBlock: true))
            position = end
        } else {
            sign = byte(at: tag + 2)
            position = tag + (Self.isSign(sign) ? 3 : 2)
            let isBlock = if case .variable = found { false } else { true }
            addData(stripped(start..<tag, sign: sign, isBlock: isBlock))
        }
        startsLine = bytes[position - 1] == 0x0A
        switch found {
        case .variable: try readTag(.variableBegin, at: tag)
        case .block: try readTag(.blockBegin, at: tag)
        case .comment: try skipComment(from: tag)
        case .raw: try readRaw(from: tag)
        }
    }

    private func opening() -> Opening? {
        switch byte(at: position + 1) {
        case UInt8(ascii: "{"): .variable
        case UInt8(ascii: "#"): .comment
        case UInt8(ascii: "%"): rawEnd().map { .raw(end: $0) } ?? .block
        default: nil
        }
    }

    /// The end of `{% raw %}` if that is what stands here.
    private func rawEnd() -> Int? {
        var place = position + 2
        if Self.isSign(byte(at: place)) { place += 1 }
        place = skippingSpace(from: place)
        guard has("raw", at: place) else { return nil }
        place = skippingSpace(from: place + 3)
        if has("-%}", at: place) { return skippingSpace(from: place + 3) }
        return has("%}", at: place) ? place + 2 : nil
    }

    /// What is left of text before a tag.
    private func stripped(_ range: Range<Int>, sign: UInt8, isBlock: Bool) -> Range<Int> {
        var end = range.upperBound
        if sign == UInt8(ascii: "-") {
            while end > range.lowerBound, let length = spaceLength(before: end, after: range.lowerBound) {
                end -= length
            }
            return range.lowerBound..<end
        }
        guard sign != UInt8(ascii: "+"), isBlock else { return range }
        let newline = bytes[range].lastIndex(of: 0x0A)
        guard newline != nil || startsLine else { return range }
        let lineStart = newline.map { $0 + 1 } ?? range.lowerBound
        return skippingSpace(from: lineStart, to: end) == end ? range.lowerBound..<lineStart : range
    }

    private mutating func addData(_ range: Range<Int>) {
        guard !range.isEmpty else { return }
        add(.data(String(decoding: bytes[range], as: UTF8.self)), at: range.lowerBound)
    }

    private mutating func skipComment(from tag: Int) throws(SwiftletError) {
        let start = position
        while position < bytes.count {
            if has("#}", at: position) {
                let before = position > start ? bytes[position - 1] : 0
                position += 2
                if before == UInt8(ascii: "-") {
                    position = skippingSpace(from: position)
                } else if before != UInt8(ascii: "+") {
                    trimNewline()
                }
                startsLine = bytes[position - 1] == 0x0A
                return
            }
            position += 1
        }
        if start == bytes.count { return }
        throw problem("a comment without an end; add '#}'", at: tag)
    }

    private mutating func readRaw(from tag: Int) throws(SwiftletError) {
        let start = position
        startsLine = bytes[position - 1] == 0x0A
        while position < bytes.count {
            if has("{%", at: position), let end = endrawEnd() {
                addData(stripped(start..<position, sign: byte(at: position + 2), isBlock: true))
                position = end
                startsLine = bytes[position - 1] == 0x0A
                return
            }
            position += 1
        }
        if start == bytes.count { return }
        throw problem("a raw block without an end; add '{% endraw %}'", at: tag)
    }

    private func endrawEnd() -> Int? {
        var place = position + 2
        if Self.isSign(byte(at: place)) { place += 1 }
        place = skippingSpace(from: place)
        guard has("endraw", at: place) else { return nil }
        place = skippingSpace(from: place + 6)
        return blockEnd(at: place)
    }

    // MARK: Inside tags

    private mutating func readTag(_ begin: Token.Kind, at tag: Int) throws(SwiftletError) {
        add(begin, at: tag)
        brackets = []
        let isVariable = begin == .variableBegin
        while true {
            position = skippingSpace(from: position)
            guard position < bytes.count else {
                throw problem(
                    "a tag without an end; add '\(isVariable ? "}}" : "%}")'", at: tag)
            }
            if brackets.isEmpty {
                if let end = isVariable ? variableEnd(at: position) : blockEnd(at: position) {
                    add(isVariable ? .variableEnd : .blockEnd, at: position)
                    position = end
                    startsLine = bytes[position - 1] == 0x0A
                    return
                }
            }
            try readToken()
        }
    }

    private func variableEnd(at place: Int) -> Int? {
        if has("-}}", at: place) { return skippingSpace(from: place + 3) }
        return has("}}", at: place) ? place + 2 : nil
    }

    private func blockEnd(at place: Int) -> Int? {
        if has("+%}", at: place) { return place + 3 }
        if has("-%}", at: place) { return skippingSpace(from: place + 3) }
        guard has("%}", at: place) else { return nil }
        return byte(at: place + 2) == 0x0A ? place + 3 : place + 2
    }

    private mutating func trimNewline() {
        if byte(at: position) == 0x0A { position += 1 }
    }

    private mutating func readToken() throws(SwiftletError) {
        let start = position
        switch bytes[position] {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): add(try number(), at: start)
        case UInt8(ascii: "'"), UInt8(ascii: "\""): add(.string(try string()), at: start)
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "_"), 0x80...:
            add(.name(try identifier()), at: start)
        default: try readSymbol()
        }
    }

    private static let symbols = [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">",
        "<", "=", ".", ":", "|", ",", ";",
    ]

    private mutating func readSymbol() throws(SwiftletError) {
        guard let symbol = Self.symbols.first(where: { has($0, at: position) }) else {
            throw problem("found \(character(at: position)), which means nothing in a tag", at: position)
        }
        let first = bytes[position]
        switch first {
        case UInt8(ascii: "{"): brackets.append(UInt8(ascii: "}"))
        case UInt8(ascii: "("): brackets.append(UInt8(ascii: ")"))
        case UInt8(ascii: "["): brackets.append(UInt8(ascii: "]"))
        case UInt8(ascii: "}"), UInt8(ascii: ")"), UInt8(ascii: "]"):
            guard let expected = brackets.popLast() else {
                throw problem("found '\(symbol)' without its opening bracket", at: position)
            }
            guard expected == first else {
                throw problem(
                    "found '\(symbol)', expected '\(Character(UnicodeScalar(expected)))'", at: position)
            }
        default: break
        }
        add(.symbol(symbol), at: position)
        position += symbol.utf8.count
    }

    // MARK: Helpers

    private mutating func add(_ kind: Token.Kind, at place: Int) {
        tokens.append(Token(kind: kind, line: lineNumber(at: place)))
    }

    private mutating func lineNumber(at place: Int) -> Int {
        if place > counted {
            line += bytes[counted..<place].count { $0 == 0x0A }
            counted = place
        }
        return line
    }

    func byte(at place: Int) -> UInt8 { place < bytes.count ? bytes[place] : 0 }

    func has(_ text: String, at place: Int) -> Bool {
        guard place + text.utf8.count <= bytes.count else { return false }
        var place = place
        for byte in text.utf8 {
            if bytes[place] != byte { return false }
            place += 1
        }
        return true
    }

    static func isSign(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") }

    private func skippingSpace(from start: Int, to end: Int? = nil) -> Int {
        let end = end ?? bytes.count
        var place = start
        while place < end {
            guard let scalar = scalar(at: place), scalar.isPythonSpace else { break }
            place += scalar.utf8.count
        }
        return place
    }

    /// The bytes of a blank that ends before `end`.
    private func spaceLength(before end: Int, after start: Int) -> Int? {
        var place = end - 1
        while place > start, bytes[place] & 0xC0 == 0x80 { place -= 1 }
        guard let scalar = scalar(at: place), scalar.isPythonSpace else { return nil }
        return end - place
    }

    /// The character that starts at a place.
    func scalar(at place: Int) -> Unicode.Scalar? {
        guard place < bytes.count else { return nil }
        let first = bytes[place]
        if first < 0x80 { return Unicode.Scalar(first) }
        let length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2
        let end = min(place + length, bytes.count)
        return String(decoding: bytes[place..<end], as: UTF8.self).unicodeScalars.first
    }

    func character(at place: Int) -> String {
        scalar(at: place).map { "'\(Character($0))'" } ?? "the end of the template"
    }

    func problem(_ what: String, at place: Int) -> SwiftletError {
        let line = 1 + bytes[..<min(place, bytes.count)].count { $0 == 0x0A }
        return SwiftletError(.malformed, "\(name): line \(line): \(what)")
    }
}
