extension JSON {
    /// What this value is.
    public var kind: Kind {
        switch node.tag {
        case .null: .null
        case .true, .false: .bool
        case .number: .number
        case .string, .escapedString: .string
        case .array: .array
        case .object: .object
        }
    }

    /// Whether this is the literal `null`.
    public var isNull: Bool { node.tag == .null }

    /// The name of the text this came from, for errors.
    public var source: String { document.source }

    /// `true` or `false`, or `nil` for anything else.
    public var bool: Bool? {
        switch node.tag {
        case .true: true
        case .false: false
        default: nil
        }
    }

    /// A number written without fraction or exponent that fits 64 bits, exactly; otherwise `nil`.
    public var int: Int? {
        guard node.tag == .number else { return nil }
        let text = text
        let negative = text[0] == UInt8(ascii: "-")
        var value = 0  // the negative of what was read, because Int.min is further out than Int.max
        for byte in text.dropFirst(negative ? 1 : 0) {
            let digit = Int(byte) - Int(UInt8(ascii: "0"))
            guard 0...9 ~= digit else { return nil }
            let (product, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = product.subtractingReportingOverflow(digit)
            if overflow || carry { return nil }
            value = sum
        }
        return negative ? value : (value == .min ? nil : -value)
    }

    /// A number rounded to the nearest double; beyond its range an infinity, as Python reads it.
    public var double: Double? {
        guard node.tag == .number else { return nil }
        if let int, int.magnitude <= 1 << 53, int != 0 { return Double(int) }
        return Double(String(decoding: text, as: UTF8.self))
    }

    /// The text of a string; each surrogate that has no partner becomes U+FFFD.
    ///
    /// Swift compares strings by canonical equivalence: use ``bytes`` for keys that must differ by bytes.
    public var string: String? {
        withUTF8 { String(decoding: $0, as: UTF8.self) }
    }

    /// The UTF-8 of a string, without escapes; each surrogate that has no partner becomes U+FFFD.
    public var bytes: [UInt8]? {
        withUTF8 { Array($0) }
    }

    /// Calls `body` with the UTF-8 of a string, or returns `nil`; copies only if the source has escapes.
    public func withUTF8<R>(_ body: (UnsafeBufferPointer<UInt8>) -> R) -> R? {
        switch node.tag {
        case .string: body(text)
        case .escapedString: Self.unescape(text).withUnsafeBufferPointer(body)
        default: nil
        }
    }

    /// The source of a scalar, without quotes.
    private var text: UnsafeBufferPointer<UInt8> {
        let node = node
        return UnsafeBufferPointer(
            rebasing: document.bytes[Int(node.offset)..<Int(node.offset) + Int(node.extent)])
    }

    /// Replaces the escapes of a string that ``JSONParser`` has accepted.
    private static func unescape(_ text: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(text.count)
        var position = 0
        while position < text.count {
            let byte = text[position]
            if byte != UInt8(ascii: "\\") {
                result.append(byte)
                position += 1
            } else if text[position + 1] == UInt8(ascii: "u") {
                let scalar = Self.scalar(text, at: &position)
                result.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
            } else {
                result.append(Self.meaning(of: text[position + 1]))
                position += 2
            }
        }
        return result
    }

    /// Reads `\uXXXX`, or two of them that form a surrogate pair.
    private static func scalar(_ text: UnsafeBufferPointer<UInt8>, at position: inout Int) -> UnicodeScalar {
        let first = unit(text, at: position)
        position += 6
        guard first & 0xFC00 == 0xD800, text.count - position >= 6, text[position] == UInt8(ascii: "\\"),
            text[position + 1] == UInt8(ascii: "u")
        else { return UnicodeScalar(first) ?? "\u{FFFD}" }
        let second = unit(text, at: position)
        guard second & 0xFC00 == 0xDC00 else { return "\u{FFFD}" }
        position += 6
        return UnicodeScalar(0x10000 + (first & 0x3FF) << 10 + second & 0x3FF) ?? "\u{FFFD}"
    }

    private static func unit(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> UInt32 {
        text[position + 2..<position + 6].reduce(0) { $0 << 4 | (UTF8Scan.hexValue($1) ?? 0) }
    }

    private static func meaning(of escape: UInt8) -> UInt8 {
        switch escape {
        case UInt8(ascii: "b"): 0x08
        case UInt8(ascii: "f"): 0x0C
        case UInt8(ascii: "n"): 0x0A
        case UInt8(ascii: "r"): 0x0D
        case UInt8(ascii: "t"): 0x09
        default: escape
        }
    }
}
