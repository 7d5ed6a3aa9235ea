extension Reference {
    /// Stores numbers in a format, rounding to nearest, or `nil` for the K and IQ4 formats, whose writers search, and
    /// for formats that are only read.
    ///
    /// The bytes are those of the GGUF reference writers. A block that holds a NaN or an infinity, for which
    /// they define nothing, gets a NaN scale and reads back as NaN, in `mxfp4`, which has no NaN, as infinity.
    ///
    /// - Parameters:
    ///   - format: `f32`, `f16`, `bf16`, `q8_0`, `q4_0`, `q4_1`, `q5_0`, `q5_1`, `tq1_0`, `tq2_0` or
    ///     `mxfp4`.
    ///   - numbers: whole blocks.
    package static func quantize(_ format: NumberFormat, _ numbers: [Float]) -> [UInt8]? {
        precondition(
            numbers.count % format.blockElements == 0,
            "\(numbers.count) numbers in blocks of \(format.blockElements)")
        switch format {
        case .f32: return numbers.flatMap { littleEndian($0.bitPattern) }
        case .f16: return numbers.flatMap { littleEndian(halfBits($0)) }
        case .bf16: return numbers.flatMap { littleEndian(brainBits($0)) }
        case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1:
            return stride(from: 0, to: numbers.count, by: format.blockElements).flatMap { start in
                let block = Array(numbers[start..<start + format.blockElements])
                guard block.allSatisfy(\.isFinite) else {
                    return littleEndian(halfBits(.nan)) + Array(repeating: 0, count: format.blockBytes - 2)
                }
                return self.block(format, block)
            }
        case .tq1_0, .tq2_0, .mxfp4:
            return stride(from: 0, to: numbers.count, by: format.blockElements).flatMap { start in
                lookedUpBlock(format, Array(numbers[start..<start + format.blockElements]))
            }
        default: return nil
        }
    }

    /// The binary16 nearest to a number, ties to the even one.
    package static func halfBits(_ x: Float) -> UInt16 {
        let sign: UInt16 = x.sign == .minus ? 0x8000 : 0
        let magnitude = Double(x.magnitude)
        if x.isNaN { return sign | 0x7e00 | UInt16(x.bitPattern >> 13 & 0x3ff) }
        if magnitude >= 65520 { return sign | 0x7c00 }
        let exponent = max(-14, magnitude == 0 ? -14 : Int(magnitude.exponent))
        let unit = Double(sign: .plus, exponent: exponent - 10, significand: 1)
        let steps = Int((magnitude / unit).rounded(.toNearestOrEven))
        // A normal number's leading 1 is among the steps and adds to the exponent.
        return sign + UInt16((exponent + 14) << 10 + steps)
    }

    /// The bfloat16 nearest to a number, ties to the even one.
    package static func brainBits(_ x: Float) -> UInt16 {
        if x.isNaN { return UInt16(x.bitPattern >> 16) | 0x40 }
        let low = x.bitPattern & 0xffff, high = UInt16(x.bitPattern >> 16)
        return low > 0x8000 || (low == 0x8000 && high % 2 == 1) ? high + 1 : high
    }

    static func littleEndian(_ bits: some FixedWidthInteger) -> [UInt8] {
        (0..<bits.bitWidth / 8).map { UInt8(truncatingIfNeeded: bits >> ($0 * 8)) }
    }

    private static func block(_ format: NumberFormat, _ x: [Float]) -> [UInt8] {
        let extreme = x.reduce(0) { $1.magnitude > $0.magnitude ? $1 : $0 }
        switch format {
        case .q8_0:
            let scale = extreme.magnitude / 127
            let codes = x.map { Int8(clamped(($0 * inverse(scale)).rounded(), -128...127)) }
            return littleEndian(halfBits(scale)) + codes.map(UInt8.init(bitPattern:))
        case .q4_0, .q5_0:
            let half: Float = format == .q4_0 ? 8 : 16
            let scale = extreme / -half
            let codes = x.map { UInt8(clamped($0 * inverse(scale) + (half + 0.5), 0...2 * half - 1)) }
            return littleEndian(halfBits(scale)) + packed(codes, fifthBits: format == .q5_0)
        default:
            let limit: Float = format == .q4_1 ? 15 : 31
            let low = x.reduce(.infinity, min), high = x.reduce(-.infinity, max)
            let scale = (high - low) / limit
            let codes = x.map { UInt8(clamped(($0 - low) * inverse(scale) + 0.5, 0...limit)) }
            return littleEndian(halfBits(scale)) + littleEndian(halfBits(low))
                + packed(codes, fifthBits: format == .q5_1)
        }
    }

    private static func inverse(_ scale: Float) -> Float { scale == 0 ? 0 : 1 / scale }

    /// A number limited to a range; the lower bound for NaN, which 0 · (1 / subnormal) gives.
    private static func clamped(_ x: Float, _ range: ClosedRange<Float>) -> Float {
        x.isNaN ? range.lowerBound : min(max(x, range.lowerBound), range.upperBound)
    }

    /// Thirty-two codes as nibbles, after their fifth bits if asked.
    private static func packed(_ codes: [UInt8], fifthBits: Bool) -> [UInt8] {
        let high = (0..<4).map { byte in
            (0..<8).reduce(UInt8(0)) { $0 | (codes[byte * 8 + $1] >> 4) << UInt8($1) }
        }
        let low = (0..<16).map { codes[$0] & 15 | codes[$0 + 16] << 4 }
        return (fifthBits ? high : []) + low
    }
}
