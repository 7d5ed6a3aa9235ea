/// Reading and writing UTF-8 that may be ill-formed.
///
/// A byte that belongs to no well-formed sequence is one character of its own: its value is ``invalidBase`` plus
/// the byte, which lies behind the last code point, so it is in no class and survives every step unchanged.
enum UTF8Text {
    /// Values from here on stand for single bytes that are not UTF-8.
    static let invalidBase: UInt32 = 0x110000
    /// One more than the largest value that ``decode(_:_:_:)`` returns.
    static let valueCount = 0x110100

    /// The character at byte `i` of `text`, which has `end` bytes; `i < end`.
    @inline(__always)
    static func decode(_ text: UnsafePointer<UInt8>, _ i: Int, _ end: Int) -> (value: UInt32, width: Int) {
        let first = text[i]
        if first < 0x80 { return (UInt32(first), 1) }
        return decodeMultibyte(text, i, end)
    }

    /// The part of ``decode(_:_:_:)`` for bytes above 0x7F.
    static func decodeMultibyte(
        _ text: UnsafePointer<UInt8>, _ i: Int, _ end: Int
    ) -> (value: UInt32, width: Int) {
        let first = UInt32(text[i])
        let invalid = (value: invalidBase + first, width: 1)
        guard first >= 0xC2, first <= 0xF4, i + 1 < end else { return invalid }
        let second = UInt32(text[i + 1])
        guard second & 0xC0 == 0x80 else { return invalid }
        if first < 0xE0 { return ((first & 0x1F) << 6 | (second & 0x3F), 2) }
        guard i + 2 < end else { return invalid }
        let third = UInt32(text[i + 2])
        guard third & 0xC0 == 0x80 else { return invalid }
        if first < 0xF0 {
            let value = (first & 0x0F) << 12 | (second & 0x3F) << 6 | (third & 0x3F)
            return value < 0x800 || (0xD800...0xDFFF).contains(value) ? invalid : (value, 3)
        }
        guard i + 3 < end else { return invalid }
        let fourth = UInt32(text[i + 3])
        guard fourth & 0xC0 == 0x80 else { return invalid }
        let high = (first & 0x07) << 18 | (second & 0x3F) << 12
        let value = high | (third & 0x3F) << 6 | (fourth & 0x3F)
        return value < 0x10000 || value > 0x10FFFF ? invalid : (value, 4)
    }

    /// Start of the character that ends at byte `i`; `i > 0` must be a boundary.
    @inline(__always)
    static func previous(_ text: UnsafePointer<UInt8>, _ i: Int) -> Int {
        if text[i - 1] < 0x80 { return i - 1 }
        for width in 2...4 where i >= width && text[i - width] >= 0xC2 {
            return decodeMultibyte(text, i - width, i).width == width ? i - width : i - 1
        }
        return i - 1
    }

    /// End of the grapheme cluster that begins at byte `i`, as Oniguruma cuts them; `i < end`.
    ///
    /// A byte that is not UTF-8 is a cluster of its own. Of the rules of Unicode 15.1 the one that joins consonants of
    /// Indian scripts is left out.
    /// - Complexity: O(length of the cluster).
    static func clusterEnd(_ text: UnsafePointer<UInt8>, _ i: Int, _ end: Int) -> Int {
        var limit = 32
        while true {
            var scalars = String.UnicodeScalarView()
            var stop = i
            while stop < end, stop - i < limit {
                let (value, width) = decode(text, stop, end)
                guard let scalar = Unicode.Scalar(value) else { break }
                scalars.append(scalar)
                stop += width
            }
            let isWhole = stop - i < limit
            guard let cluster = String(scalars).first else { return i + 1 }
            // A cluster ends where the character after it is known.
            let length = joinedConsonant(in: cluster) ?? cluster.utf8.count
            if isWhole || i + length < stop { return i + length }
            limit *= 2
        }
    }

    /// Where a letter follows a mark or a joiner, in bytes; `nil` if none does.
    private static func joinedConsonant(in cluster: Character) -> Int? {
        var offset = 0
        var followsMark = false
        for scalar in cluster.unicodeScalars {
            // The vowels that stand behind their consonant, in Thai and Lao, are letters, too.
            let isLetter = scalar.properties.generalCategory == .otherLetter
            if followsMark, isLetter, scalar != "\u{0E33}", scalar != "\u{0EB3}" { return offset }
            switch scalar.properties.generalCategory {
            case .nonspacingMark, .spacingMark, .enclosingMark: followsMark = true
            default: followsMark = scalar == "\u{200D}"
            }
            offset += UTF8.width(scalar)
        }
        return nil
    }

    /// Appends the bytes of a value that ``decode(_:_:_:)`` returned.
    @inline(__always)
    static func append(_ value: UInt32, to bytes: inout [UInt8]) {
        if value < 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: value))
        } else if value < 0x800 {
            bytes.append(UInt8(0xC0 | value >> 6))
            bytes.append(UInt8(0x80 | value & 0x3F))
        } else if value < 0x10000 {
            bytes.append(UInt8(0xE0 | value >> 12))
            bytes.append(UInt8(0x80 | value >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | value & 0x3F))
        } else if value < invalidBase {
            bytes.append(UInt8(0xF0 | value >> 18))
            bytes.append(UInt8(0x80 | value >> 12 & 0x3F))
            bytes.append(UInt8(0x80 | value >> 6 & 0x3F))
            bytes.append(UInt8(0x80 | value & 0x3F))
        } else {
            bytes.append(UInt8(truncatingIfNeeded: value - invalidBase))
        }
    }

    /// The values of all characters of `text`.
    static func values(_ text: [UInt8]) -> [UInt32] {
        var values: [UInt32] = []
        values.reserveCapacity(text.count)
        forEach(text) { values.append($0) }
        return values
    }

    /// Calls `body` with the value of every character.
    @inline(__always)
    static func forEach(_ text: [UInt8], _ body: (UInt32) -> Void) {
        text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            var i = 0
            while i < buffer.count {
                let (value, width) = decode(base, i, buffer.count)
                body(value)
                i += width
            }
        }
    }

    /// The bytes of a list of values.
    static func bytes(_ values: some Sequence<UInt32>) -> [UInt8] {
        var bytes: [UInt8] = []
        for value in values { append(value, to: &bytes) }
        return bytes
    }
}
