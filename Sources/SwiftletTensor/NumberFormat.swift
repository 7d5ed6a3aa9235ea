package import CSwiftletKernels

/// How the numbers of a tensor are stored.
///
/// Block formats (`q…`, `iq…`, `tq…`, `mxfp4`, `nvfp4`) hold ``blockElements`` numbers in ``blockBytes`` bytes, laid out as in GGUF files.
public enum NumberFormat: String, CaseIterable, Hashable, Sendable {
    case f32, f16, bf16
    case q8_0, q4_0, q4_1, q5_0, q5_1
    case q2_K, q3_K, q4_K, q5_K, q6_K
    case iq1_s, iq1_m, iq2_xxs, iq2_xs, iq2_s, iq3_xxs, iq3_s, iq4_nl, iq4_xs
    case tq1_0, tq2_0
    case mxfp4, nvfp4
    case i8, u8, i16, i32, i64, f64
    /// Floats of 8 bits as in the OCP specification of 2023: 4 or 5 bits of exponent.
    case f8_e4m3, f8_e5m2

    /// The format as the kernels know it, or `nil` for the integer and wide formats that only files hold.
    package var kernel: sl_format? {
        switch self {
        case .f32: SL_F32
        case .f16: SL_F16
        case .bf16: SL_BF16
        case .q8_0: SL_Q8_0
        case .q4_0: SL_Q4_0
        case .q4_1: SL_Q4_1
        case .q5_0: SL_Q5_0
        case .q5_1: SL_Q5_1
        case .q2_K: SL_Q2_K
        case .q3_K: SL_Q3_K
        case .q4_K: SL_Q4_K
        case .q5_K: SL_Q5_K
        case .q6_K: SL_Q6_K
        case .iq1_s: SL_IQ1_S
        case .iq1_m: SL_IQ1_M
        case .iq2_xxs: SL_IQ2_XXS
        case .iq2_xs: SL_IQ2_XS
        case .iq2_s: SL_IQ2_S
        case .iq3_xxs: SL_IQ3_XXS
        case .iq3_s: SL_IQ3_S
        case .iq4_nl: SL_IQ4_NL
        case .iq4_xs: SL_IQ4_XS
        case .tq1_0: SL_TQ1_0
        case .tq2_0: SL_TQ2_0
        case .mxfp4: SL_MXFP4
        case .nvfp4: SL_NVFP4
        case .i8, .u8, .i16, .i32, .i64, .f64, .f8_e4m3, .f8_e5m2: nil
        }
    }

    /// Numbers per block; 1 for plain formats.
    public var blockElements: Int {
        switch self {
        case .f32, .f16, .bf16, .i8, .u8, .i16, .i32, .i64, .f64, .f8_e4m3, .f8_e5m2: 1
        case .q8_0, .q4_0, .q4_1, .q5_0, .q5_1, .iq4_nl, .mxfp4: 32
        case .nvfp4: 64
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: 256
        case .iq1_s, .iq1_m, .iq2_xxs, .iq2_xs, .iq2_s, .iq3_xxs, .iq3_s, .iq4_xs, .tq1_0, .tq2_0: 256
        }
    }

    /// Whether several numbers share a scale; such weights multiply quantised activations in integers.
    package var isBlocked: Bool { blockElements > 1 }

    /// Bytes per block.
    public var blockBytes: Int {
        switch self {
        case .i8, .u8, .f8_e4m3, .f8_e5m2: 1
        case .f16, .bf16, .i16: 2
        case .f32, .i32: 4
        case .i64, .f64: 8
        case .q8_0: 34
        case .q4_0: 18
        case .q4_1: 20
        case .q5_0: 22
        case .q5_1: 24
        case .q2_K: 84
        case .q3_K: 110
        case .q4_K: 144
        case .q5_K: 176
        case .q6_K: 210
        case .iq1_s: 50
        case .iq1_m: 56
        case .iq2_xxs: 66
        case .iq2_xs: 74
        case .iq2_s: 82
        case .iq3_xxs: 98
        case .iq3_s: 110
        case .iq4_nl: 18
        case .iq4_xs: 136
        case .tq1_0: 54
        case .tq2_0: 66
        case .mxfp4: 17
        case .nvfp4: 36
        }
    }

    /// Bytes of `count` numbers, or `nil` if they do not fill whole blocks or the size overflows.
    public func byteCount(of count: Int) -> Int? {
        guard count >= 0, count % blockElements == 0 else { return nil }
        let (bytes, overflow) = (count / blockElements).multipliedReportingOverflow(by: blockBytes)
        return overflow ? nil : bytes
    }
}
