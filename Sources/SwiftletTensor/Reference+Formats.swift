extension Reference {
    /// The numbers of stored blocks, each computed exactly in `Double` and rounded once.
    ///
    /// - Parameters:
    ///   - format: one that kernels know.
    ///   - bytes: whole blocks, laid out as in GGUF files.
    /// - Source: the layouts are those of the `ggml` library's block structures, version of 2024.
    package static func dequantize(_ format: NumberFormat, _ bytes: [UInt8]) -> [Float] {
        precondition(format.kernel != nil, "\(format) is no kernel format")
        precondition(
            bytes.count % format.blockBytes == 0, "\(bytes.count) bytes in blocks of \(format.blockBytes)")
        return stride(from: 0, to: bytes.count, by: format.blockBytes).flatMap { start in
            let block = Block(bytes: Array(bytes[start..<start + format.blockBytes]))
            return (0..<format.blockElements).map { Float(block.number($0, format)) }
        }
    }

    /// The parts of stored numbers `scale·code + offset`: `|scale·code| + |offset|`, which bounds the rounding
    /// errors of a product that adds both parts separately.
    package static func magnitudes(_ format: NumberFormat, _ bytes: [UInt8]) -> [Double] {
        stride(from: 0, to: bytes.count, by: format.blockBytes).flatMap { start in
            let block = Block(bytes: Array(bytes[start..<start + format.blockBytes]))
            return (0..<format.blockElements).map {
                let offset = block.offset($0, format)
                return abs(block.number($0, format) - offset) + abs(offset)
            }
        }
    }

    /// The value of binary16 bits.
    package static func half(_ bits: UInt16) -> Double {
        let sign: Double = bits >> 15 == 1 ? -1 : 1
        let exponent = Int(bits >> 10 & 31)
        let fraction = Double(bits & 1023) / 1024
        switch exponent {
        case 0: return sign * fraction * 0x1p-14
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default: return sign * (1 + fraction) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
        }
    }

    /// One block of stored numbers.
    struct Block {
        var bytes: [UInt8]

        func word(_ offset: Int) -> UInt16 { UInt16(bytes[offset]) | UInt16(bytes[offset + 1]) << 8 }
        func half(_ offset: Int) -> Double { Reference.half(word(offset)) }
        func bits(_ offset: Int, _ shift: Int, _ width: Int) -> Int {
            Int(bytes[offset]) >> shift & ((1 << width) - 1)
        }

        /// Number `i` of the block.
        func number(_ i: Int, _ format: NumberFormat) -> Double {
            switch format {
            case .f32: Double(Float(bitPattern: UInt32(word(0)) | UInt32(word(2)) << 16))
            case .f16: half(0)
            case .bf16: Double(Float(bitPattern: UInt32(word(0)) << 16))
            case .q8_0: half(0) * Double(Int8(bitPattern: bytes[2 + i]))
            case .q4_0: half(0) * Double(nibble(i, at: 2) - 8)
            case .q4_1: half(0) * Double(nibble(i, at: 4)) + half(2)
            case .q5_0: half(0) * Double(nibble(i, at: 6) + 16 * bits(2 + i / 8, i % 8, 1) - 16)
            case .q5_1: half(0) * Double(nibble(i, at: 8) + 16 * bits(4 + i / 8, i % 8, 1)) + half(2)
            case .q2_K: q2K(i)
            case .q3_K: q3K(i)
            case .q4_K: q45K(i, code: bits(16 + i / 64 * 32 + i % 32, i % 64 / 32 * 4, 4))
            case .q5_K:
                q45K(
                    i,
                    code: bits(48 + i / 64 * 32 + i % 32, i % 64 / 32 * 4, 4) + 16
                        * bits(16 + i % 32, i / 32, 1))
            case .q6_K: q6K(i)
            case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_nl, .iq4_xs, .tq1_0,
                .tq2_0,
                .mxfp4, .nvfp4:
                lookedUp(i, format)
            case .i8, .u8, .i16, .i32, .i64, .f64, .f8_e4m3, .f8_e5m2: .nan
            }
        }

        /// Code `i` of 32: the low nibbles of 16 bytes, then the high ones.
        func nibble(_ i: Int, at offset: Int) -> Int { bits(offset + i % 16, i / 16 * 4, 4) }

        /// Two bits of code `i` of 256: each half takes 32 bytes, which hold four codes each.
        func pair(_ i: Int, at offset: Int) -> Int {
            bits(offset + i / 128 * 32 + i % 32, i % 128 / 32 * 2, 2)
        }

        func q2K(_ i: Int) -> Double {
            let scale = bits(i / 16, 0, 4), minimum = bits(i / 16, 4, 4)
            return half(80) * Double(scale) * Double(pair(i, at: 16)) - half(82) * Double(minimum)
        }

        func q3K(_ i: Int) -> Double {
            let group = i / 16
            let scale = bits(96 + group % 8, group / 8 * 4, 4) + 16 * bits(104 + group % 4, group / 4 * 2, 2)
            let code = pair(i, at: 32) + 4 * bits(i % 32, i / 32, 1)
            return half(108) * Double(scale - 32) * Double(code - 4)
        }

        func q45K(_ i: Int, code: Int) -> Double {
            half(0) * Double(scaleAndMinimum(i / 32).scale) * Double(code) + offsetOfQ45K(i)
        }

        func offsetOfQ45K(_ i: Int) -> Double { -half(2) * Double(scaleAndMinimum(i / 32).minimum) }

        func scaleAndMinimum(_ group: Int) -> (scale: Int, minimum: Int) {
            if group < 4 { return (bits(4 + group, 0, 6), bits(8 + group, 0, 6)) }
            return (
                bits(8 + group, 0, 4) + 16 * bits(group, 6, 2),
                bits(8 + group, 4, 4) + 16 * bits(4 + group, 6, 2)
            )
        }

        /// What number `i` would be with a code of 0, in the formats that store a minimum; else 0.
        func offset(_ i: Int, _ format: NumberFormat) -> Double {
            switch format {
            case .q4_1, .q5_1: half(2)
            case .q2_K: -half(82) * Double(bits(i / 16, 4, 4))
            case .q4_K, .q5_K: offsetOfQ45K(i)
            default: 0
            }
        }

        func q6K(_ i: Int) -> Double {
            let low = bits(i / 128 * 64 + i % 64, i % 128 / 64 * 4, 4)
            let high = bits(128 + i / 128 * 32 + i % 32, i % 128 / 32 * 2, 2)
            let scale = Int8(bitPattern: bytes[192 + i / 16])
            return half(208) * Double(scale) * Double(low + 16 * high - 32)
        }
    }
}
