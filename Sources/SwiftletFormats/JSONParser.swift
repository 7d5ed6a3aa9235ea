import SwiftletTensor

/// Turns text into ``JSONNode``s in one pass, without recursion.
struct JSONParser {
    private(set) var nodes: ContiguousArray<JSONNode> = []

    private let bytes: UnsafeBufferPointer<UInt8>
    private let source: String
    private var position = 0
    /// Indices of the containers that are not closed yet, outermost first.
    private var open: [Int] = []

    init(_ bytes: UnsafeRawBufferPointer, source: String) {
        self.bytes = bytes.bindMemory(to: UInt8.self)
        self.source = source
    }

    /// Reads the whole text into ``nodes``.
    mutating func parse() throws(SwiftletError) {
        guard bytes.count < UInt32.max else {
            throw SwiftletError(.limit, "\(source): \(bytes.count) bytes of JSON, expected less than 4 GiB")
        }
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) {
            throw SwiftletError(
                .malformed, "\(source): starts with a byte order mark, expected plain UTF-8; remove the mark")
        }
        nodes.reserveCapacity(bytes.count / 12 + 1)
        skipSpace()
        try parseValue()
        while let container = open.last {
            if nodes[container].tag == .array {
                try continueArray(container)
            } else {
                try continueObject(container)
            }
        }
        skipSpace()
        if position < bytes.count { throw expected("the end of the text") }
    }

    // MARK: Containers

    private mutating func continueArray(_ container: Int) throws(SwiftletError) {
        skipSpace()
        if take(UInt8(ascii: "]")) { return close(container) }
        if nodes[container].count > 0 {
            guard take(UInt8(ascii: ",")) else { throw expected("',' or ']'") }
            skipSpace()
        }
        nodes[container].count += 1
        try parseValue()
    }

    private mutating func continueObject(_ container: Int) throws(SwiftletError) {
        skipSpace()
        if take(UInt8(ascii: "}")) { return close(container) }
        if nodes[container].count > 0 {
            guard take(UInt8(ascii: ",")) else { throw expected("',' or '}'") }
            skipSpace()
        }
        guard take(UInt8(ascii: "\"")) else { throw expected("a key in double quotes") }
        try parseString()
        skipSpace()
        guard take(UInt8(ascii: ":")) else { throw expected("':' after the key") }
        skipSpace()
        nodes[container].count += 1
        try parseValue()
    }

    private mutating func open(_ tag: JSONNode.Tag) throws(SwiftletError) {
        guard open.count < JSON.maximumDepth else {
            throw problem("found nesting deeper than \(JSON.maximumDepth), the limit")
        }
        open.append(nodes.count)
        nodes.append(JSONNode(tag: tag, offset: UInt32(position), extent: 0))
        position += 1
    }

    private mutating func close(_ container: Int) {
        nodes[container].extent = UInt32(nodes.count)
        open.removeLast()
    }

    // MARK: Scalars

    /// Reads a scalar, or the opening bracket of a container.
    private mutating func parseValue() throws(SwiftletError) {
        guard position < bytes.count else { throw expected("a value") }
        switch bytes[position] {
        case UInt8(ascii: "\""):
            position += 1
            try parseString()
        case UInt8(ascii: "{"): try open(.object)
        case UInt8(ascii: "["): try open(.array)
        case UInt8(ascii: "0")...UInt8(ascii: "9"): try parseNumber()
        case UInt8(ascii: "-"):
            if !literal("-Infinity", .number) { try parseNumber() }
        case UInt8(ascii: "t") where literal("true", .true): break
        case UInt8(ascii: "f") where literal("false", .false): break
        case UInt8(ascii: "n") where literal("null", .null): break
        case UInt8(ascii: "N") where literal("NaN", .number): break
        case UInt8(ascii: "I") where literal("Infinity", .number): break
        default: throw expected("a value")
        }
    }

    private mutating func literal(_ text: StaticString, _ tag: JSONNode.Tag) -> Bool {
        let length = text.utf8CodeUnitCount
        guard bytes.count - position >= length else { return false }
        for i in 0..<length where bytes[position + i] != text.utf8Start[i] { return false }
        add(tag, from: position, to: position + length)
        position += length
        return true
    }

    private mutating func parseNumber() throws(SwiftletError) {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if take(UInt8(ascii: "0")) {
            if isDigit { throw problem("found a number with a leading zero, which JSON does not allow") }
        } else {
            try skipDigits()
        }
        if take(UInt8(ascii: ".")) { try skipDigits() }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try skipDigits()
        }
        add(.number, from: start, to: position)
    }

    private mutating func skipDigits() throws(SwiftletError) {
        guard isDigit else { throw expected("a digit") }
        while isDigit { position += 1 }
    }

    private var isDigit: Bool {
        position < bytes.count && bytes[position] &- UInt8(ascii: "0") < 10
    }

    /// Reads a string whose opening quote was taken.
    private mutating func parseString() throws(SwiftletError) {
        let start = position
        var escaped = false
        while true {
            skipPlainASCII()
            guard position < bytes.count else { throw expected("a closing quote") }
            switch bytes[position] {
            case UInt8(ascii: "\""):
                add(escaped ? .escapedString : .string, from: start, to: position)
                position += 1
                return
            case UInt8(ascii: "\\"):
                escaped = true
                try skipEscape()
            case 0..<0x20: throw expected("an escape such as \\n instead of a control character")
            case 0x80...:
                guard let length = UTF8Scan.sequenceLength(bytes, at: position) else {
                    throw expected("valid UTF-8")
                }
                position += length
            default: position += 1
            }
        }
    }

    /// Advances over bytes that are neither quotes, escapes, control characters nor beyond ASCII, eight at
    /// once.
    private mutating func skipPlainASCII() {
        while bytes.count - position >= 8 {
            let word = UnsafeRawBufferPointer(bytes).loadUnaligned(fromByteOffset: position, as: UInt64.self)
            if UTF8Scan.hasSpecial(word) { return }
            position += 8
        }
    }

    private mutating func skipEscape() throws(SwiftletError) {
        position += 1
        guard position < bytes.count else { throw expected("the rest of an escape") }
        switch bytes[position] {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
            UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            position += 1
        case UInt8(ascii: "u"):
            position += 1
            for _ in 0..<4 {
                guard position < bytes.count, UTF8Scan.hexValue(bytes[position]) != nil else {
                    throw expected("four hexadecimal digits after \\u")
                }
                position += 1
            }
        default: throw expected("one of \" \\ / b f n r t u after a backslash")
        }
    }

    // MARK: Helpers

    private mutating func add(_ tag: JSONNode.Tag, from start: Int, to end: Int) {
        nodes.append(JSONNode(tag: tag, offset: UInt32(start), extent: UInt32(end - start)))
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    private func expected(_ what: String) -> SwiftletError {
        problem("found \(found), expected \(what)")
    }

    private var found: String {
        guard position < bytes.count else { return "the end of the text" }
        let byte = bytes[position]
        if (0x21...0x7E).contains(byte) { return "'\(Character(UnicodeScalar(byte)))'" }
        let digits = String(byte, radix: 16)
        return "byte 0x" + (digits.count == 1 ? "0" : "") + digits
    }

    /// Names the place: lines and columns count from 1, columns in Unicode scalars.
    private func problem(_ what: String) -> SwiftletError {
        var line = 1
        var column = 1
        for byte in bytes[..<min(position, bytes.count)] {
            if byte == 0x0A {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return SwiftletError(.malformed, "\(source): line \(line), column \(column): \(what)")
    }
}
