/// A sequence of byte ranges; a text matches it if each byte lies in its range.
typealias ByteRangeSequence = [ClosedRange<UInt8>]

extension ScalarSet {
    /// Byte-range sequences that together match exactly the UTF-8 of the members, each member by one of them.
    ///
    /// A range of scalars is cut where the length of its encoding changes and then until all bytes but the first
    /// differing one run over all their values.
    var utf8Sequences: [ByteRangeSequence] {
        var result: [ByteRangeSequence] = []
        for range in ranges {
            for (low, high) in [(0, 0x7F), (0x80, 0x7FF), (0x800, 0xFFFF), (0x10000, 0x10FFFF)]
                as [(UInt32, UInt32)]
            {
                let from = max(range.lowerBound, low)
                let to = min(range.upperBound, high)
                if from <= to { Self.split(from, to, into: &result) }
            }
        }
        return result
    }

    /// Splits a range whose members have encodings of one length.
    private static func split(_ low: UInt32, _ high: UInt32, into result: inout [ByteRangeSequence]) {
        let (first, last) = (encode(low), encode(high))
        for level in stride(from: first.count - 1, to: 0, by: -1) {
            // Bits that `level` continuation bytes carry: where the ends differ above them, they must be full.
            let mask: UInt32 = 1 << (6 * UInt32(level)) - 1
            guard low & ~mask != high & ~mask else { continue }
            if low & mask != 0 {
                split(low, low | mask, into: &result)
                return split((low | mask) + 1, high, into: &result)
            }
            if high & mask != mask {
                split(low, (high & ~mask) - 1, into: &result)
                return split(high & ~mask, high, into: &result)
            }
        }
        result.append(zip(first, last).map { $0...$1 })
    }

    /// The UTF-8 of a scalar.
    static func encode(_ scalar: UInt32) -> [UInt8] {
        switch scalar {
        case 0..<0x80: [UInt8(scalar)]
        case 0x80..<0x800: [0xC0 | UInt8(scalar >> 6), continuation(scalar)]
        case 0x800..<0x10000:
            [0xE0 | UInt8(scalar >> 12), continuation(scalar >> 6), continuation(scalar)]
        default:
            [
                0xF0 | UInt8(truncatingIfNeeded: scalar >> 18), continuation(scalar >> 12),
                continuation(scalar >> 6), continuation(scalar),
            ]
        }
    }

    private static func continuation(_ bits: UInt32) -> UInt8 { 0x80 | UInt8(bits & 0x3F) }
}
