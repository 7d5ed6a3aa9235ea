/// Writers of the formats whose numbers are looked up, one block at a time.
extension Reference {
    /// The block of `tq1_0`, `tq2_0` or `mxfp4` that means `x` best.
    static func lookedUpBlock(_ format: NumberFormat, _ x: [Float]) -> [UInt8] {
        let most = x.reduce(0) { max($0, $1.magnitude) }, isFinite = x.allSatisfy(\.isFinite)
        if format == .mxfp4 {
            return isFinite ? mxfp4Block(x, most) : [255] + Array(repeating: 0x77, count: 16)
        }
        guard isFinite else {
            return Array(repeating: 0, count: format.blockBytes - 2) + littleEndian(halfBits(.nan))
        }
        let digits = x.map { number -> Int in
            let ratio = number * (most == 0 ? 0 : 1 / most)
            return ratio.isNaN ? 1 : Int(min(max(ratio.rounded(), -1), 1)) + 1
        }
        return (format == .tq2_0 ? pairs(digits) : trits(digits)) + littleEndian(halfBits(most))
    }

    /// Four digits per byte, 32 apart.
    private static func pairs(_ digits: [Int]) -> [UInt8] {
        (0..<64).map { byte in
            let first = byte / 32 * 128 + byte % 32
            return (0..<4).reduce(0) { $0 | UInt8(digits[first + 32 * $1] << (2 * $1)) }
        }
    }

    /// Five digits per byte, 32 apart, then 16 apart; at last four digits per byte, 4 apart.
    private static func trits(_ digits: [Int]) -> [UInt8] {
        func packed(_ start: Int, _ bytes: Int, _ count: Int) -> [UInt8] {
            (0..<bytes).map { byte in
                let number = (0..<5).reduce(0) {
                    3 * $0 + ($1 < count ? digits[start + bytes * $1 + byte] : 0)
                }
                return UInt8((number * 256 + 242) / 243)
            }
        }
        return packed(0, 32, 5) + packed(160, 16, 5) + packed(240, 4, 4)
    }

    private static func mxfp4Block(_ x: [Float], _ most: Float) -> [UInt8] {
        let exponent = most == 0 ? 0 : max(0, Int(most.exponent) - 2 + 127)
        let scale = Double(sign: .plus, exponent: exponent - 127, significand: 1)
        let codes = x.map { number -> UInt8 in
            let errors = [0, 0.5, 1, 1.5, 2, 3, 4, 6].map { abs($0 * scale - Double(number.magnitude)) }
            let code = errors.indices.min { errors[$0] < errors[$1] } ?? 0
            return UInt8(code) | (number < 0 && code > 0 ? 8 : 0)
        }
        return [UInt8(exponent)] + (0..<16).map { codes[$0] | codes[$0 + 16] << 4 }
    }
}
