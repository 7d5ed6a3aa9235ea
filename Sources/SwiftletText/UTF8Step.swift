/// Walks bytes that are usually, but not surely, UTF-8.
enum UTF8Step {
    /// The bytes of the well-formed character at `position`, or 1 if there is none.
    @inline(__always)
    static func length(_ text: UnsafeBufferPointer<UInt8>, at position: Int) -> Int {
        guard let base = text.baseAddress else { return 1 }
        return UTF8Text.decode(base, position, text.count).width
    }

    /// The scalar of the well-formed character at `position`, or `nil` and one byte.
    static func character(
        _ text: UnsafeBufferPointer<UInt8>, at position: Int
    ) -> (scalar: Unicode.Scalar?, length: Int) {
        guard let base = text.baseAddress else { return (nil, 1) }
        let (value, width) = UTF8Text.decode(base, position, text.count)
        return (Unicode.Scalar(value), width)
    }

    /// Where the character before `position` starts; `position` must be positive.
    static func start(before position: Int, in text: UnsafeBufferPointer<UInt8>) -> Int {
        text.baseAddress.map { UTF8Text.previous($0, position) } ?? position - 1
    }

    /// How many bytes at the end of `text` may be the beginning of a character: 0 to 3.
    ///
    /// Cutting there changes neither characters nor where invalid bytes are repaired.
    static func unfinishedLength(_ text: [UInt8]) -> Int {
        for length in 1...3 where length <= text.count {
            let lead = text[text.count - length]
            if lead & 0xC0 == 0x80 { continue }
            guard expectedLength(lead) > length else { return 0 }
            return length < 2 || secondByte(text[text.count - length + 1], mayFollow: lead) ? length : 0
        }
        return 0
    }

    private static func expectedLength(_ lead: UInt8) -> Int {
        switch lead {
        case 0xC2...0xDF: 2
        case 0xE0...0xEF: 3
        case 0xF0...0xF4: 4
        default: 1
        }
    }

    /// Excludes overlong forms, surrogates and values past U+10FFFF, which show in the second byte.
    private static func secondByte(_ byte: UInt8, mayFollow lead: UInt8) -> Bool {
        switch lead {
        case 0xE0: byte >= 0xA0
        case 0xED: byte < 0xA0
        case 0xF0: byte >= 0x90
        case 0xF4: byte < 0x90
        default: true
        }
    }
}
