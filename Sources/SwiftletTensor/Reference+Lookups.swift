import CSwiftletKernels

/// The formats whose numbers are looked up: a scale times what a table says of a code, or an entry of a codebook of
/// several codes.
extension Reference.Block {
    /// Number `i` of the block.
    func lookedUp(_ i: Int, _ format: NumberFormat) -> Double {
        switch format {
        case .iq1_s: iq1S(i)
        case .iq1_m: iq1M(i)
        case .iq2_xxs: iq2XXS(i)
        case .iq2_xs: iq2XS(i)
        case .iq2_s: iq2S(i)
        case .iq3_xxs: iq3XXS(i)
        case .iq3_s: iq3S(i)
        case .iq4_nl: half(0) * Self.iq4[nibble(i, at: 2)]
        case .iq4_xs: iq4XS(i)
        case .tq1_0: half(52) * Double(trit(i) - 1)
        case .tq2_0: half(64) * Double(pair(i, at: 0) - 1)
        case .mxfp4: mxfp4(i)
        case .nvfp4: nvfp4(i)
        default: .nan
        }
    }

    // MARK: Tables

    private static let iq4: [Double] = [
        -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
    ]
    private static let e2m1: [Double] = [0, 0.5, 1, 1.5, 2, 3, 4, 6, 0, -0.5, -1, -1.5, -2, -3, -4, -6]
    private static let iq2: [Double] = [8, 25, 43]
    private static let iq3: [Double] = [4, 12, 20, 28, 36, 44, 52, 62]

    /// Digit `i` of entry `index` of a format's codebook.
    private func digit(_ i: Int, of index: Int, _ format: sl_format) -> Int {
        let isIQ3 = format == SL_IQ3_XXS || format == SL_IQ3_S
        let entry = Int(sl_codebook_entry(format, index))
        return isIQ3 ? entry >> (3 * i) & 7 : entry >> (2 * i) & 3
    }

    /// −1 if bit `i` is set, else 1.
    private func sign(_ i: Int, of bits: Int) -> Double { bits >> i & 1 == 1 ? -1 : 1 }

    /// Seven stored signs and the one that makes the number of minus signs even.
    private func evenSigns(_ seven: Int) -> Int { seven | (seven.nonzeroBitCount % 2) << 7 }

    private func wide(_ offset: Int) -> Int { Int(word(offset)) | Int(word(offset + 2)) << 16 }

    /// `(s + ½)` of nibble `group` from `offset` on.
    private func halfScale(_ group: Int, at offset: Int) -> Double {
        Double(bits(offset + group / 2, group % 2 * 4, 4)) + 0.5
    }

    // MARK: Formats

    private func iq2XXS(_ i: Int) -> Double {
        let at = 2 + i / 32 * 8, k = i % 32 / 8, rest = wide(at + 4)
        let number = Self.iq2[digit(i % 8, of: Int(bytes[at + k]), SL_IQ2_XXS)]
        let scale = half(0) * (Double(rest >> 28) + 0.5) / 4
        return scale * number * sign(i % 8, of: evenSigns(rest >> (7 * k) & 127))
    }

    private func iq2XS(_ i: Int) -> Double {
        let code = Int(word(2 + i / 8 * 2))
        let number = Self.iq2[digit(i % 8, of: code & 511, SL_IQ2_XS)]
        return half(0) * halfScale(i / 16, at: 66) / 4 * number * sign(i % 8, of: evenSigns(code >> 9))
    }

    private func iq2S(_ i: Int) -> Double {
        let k = i / 8
        let index = Int(bytes[2 + k]) + 256 * bits(66 + k / 4, k % 4 * 2, 2)
        let number = Self.iq2[digit(i % 8, of: index, SL_IQ2_S)]
        return half(0) * halfScale(i / 16, at: 74) / 4 * number * sign(i % 8, of: Int(bytes[34 + k]))
    }

    private func iq3XXS(_ i: Int) -> Double {
        let rest = wide(66 + i / 32 * 4)
        let number = Self.iq3[digit(i % 4, of: Int(bytes[2 + i / 4]), SL_IQ3_XXS)]
        let scale = half(0) * (Double(rest >> 28) + 0.5) / 2
        return scale * number * sign(i % 8, of: evenSigns(rest >> (7 * (i % 32 / 8)) & 127))
    }

    private func iq3S(_ i: Int) -> Double {
        let k = i / 4
        let index = Int(bytes[2 + k]) + 256 * bits(66 + k / 8, k % 8, 1)
        let number = Double(2 * digit(i % 4, of: index, SL_IQ3_S) + 1)
        return half(0) * 2 * halfScale(i / 32, at: 106) * number * sign(i % 8, of: Int(bytes[74 + i / 8]))
    }

    private func iq1S(_ i: Int) -> Double {
        let k = i / 8, high = Int(word(34 + i / 32 * 2))
        let index = Int(bytes[2 + k]) + 256 * (high >> (k % 4 * 3) & 7)
        let delta = high >> 15 == 1 ? -0.125 : 0.125
        let scale = half(0) * Double(2 * (high >> 12 & 7) + 1)
        return scale * (Double(digit(i % 8, of: index, SL_IQ1_S) - 1) + delta)
    }

    private func iq1M(_ i: Int) -> Double {
        let words = (0..<4).map { Int(word(48 + 2 * $0)) }
        let whole = Reference.half((0..<4).reduce(0) { $0 | UInt16(words[$1] >> 12) << (4 * UInt16($1)) })
        let k = i / 8, high = bits(32 + k / 2, k % 2 * 4, 4)
        let index = Int(bytes[k]) + 256 * (high & 7)
        let delta = high >> 3 == 1 ? -0.125 : 0.125
        let scale = whole * Double(2 * (words[i / 64] >> (i % 64 / 16 * 3) & 7) + 1)
        return scale * (Double(digit(i % 8, of: index, SL_IQ1_M) - 1) + delta)
    }

    private func iq4XS(_ i: Int) -> Double {
        let group = i / 32
        let scale = bits(4 + group / 2, group % 2 * 4, 4) + 16 * (Int(word(2)) >> (2 * group) & 3)
        return half(0) * Double(scale - 32) * Self.iq4[nibble(i % 32, at: 8 + 16 * group)]
    }

    /// A byte is a fraction of 256; times 3 to the power of k, its highest digit, base 3, is trit k.
    private func trit(_ i: Int) -> Int {
        let (byte, power) =
            switch i {
            case ..<160: (i % 32, i / 32)
            case ..<240: (32 + i % 16, (i - 160) / 16)
            default: (48 + i % 4, (i - 240) / 4)
            }
        let fraction = Int(bytes[byte]) * [1, 3, 9, 27, 81][power] % 256
        return fraction * 3 / 256
    }

    /// The scale of 255 is one more than the largest power of two; it does not mean NaN in GGUF files.
    private func mxfp4(_ i: Int) -> Double {
        let scale = Double(sign: .plus, exponent: Int(bytes[0]) - 127, significand: 1)
        return scale * Self.e2m1[nibble(i, at: 1)]
    }

    private func nvfp4(_ i: Int) -> Double {
        let group = i / 16
        let exponent = bits(group, 3, 4), fraction = Double(bits(group, 0, 3)) / 8
        let scale =
            switch bytes[group] {
            case 0x7f: 0.0
            default:
                exponent == 0
                    ? fraction / 64
                    : (1 + fraction) * Double(sign: .plus, exponent: exponent - 7, significand: 1)
            }
        return scale * Self.e2m1[bits(4 + 8 * group + i % 8, i % 16 / 8 * 4, 4)]
    }
}
