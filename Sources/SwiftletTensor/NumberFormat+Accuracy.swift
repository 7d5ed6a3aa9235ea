extension NumberFormat {
    /// The largest error of storing a number and reading it back, relative to the largest magnitude in its
    /// block, or `nil` for the K and IQ4 formats, whose writers minimise the squared error of a block, and for
    /// formats that Swiftlet does not write.
    ///
    /// Holds while the binary16 parts of a block (for `f16`, the number itself) lie in its normal range,
    /// 6.1e-5 to 65504; the scale is the largest magnitude, or the spread, divided by the largest code. The
    /// terms are half a step of the codes, a whole step where the code range is one short on the positive
    /// side (`q4_0`, `q5_0`), a quarter where what is nearly 8 becomes 6 (`mxfp4`), and 2⁻¹¹ for each binary16 scale or minimum, whose multiple a number is; the
    /// spread of the affine formats (`q4_1`, `q5_1`) is at most twice the largest magnitude. A millionth
    /// covers the arithmetic.
    package var roundTripBound: Double? {
        let half = 0x1p-11, arithmetic = 1e-6
        return switch self {
        case .f32, .i8, .u8, .i16, .i32, .i64, .f64: 0
        case .f16: half
        case .bf16: 0x1p-8
        case .q8_0: 0.5 / 127 + half + arithmetic
        case .q4_0: 1 / 8 + half + arithmetic
        case .q5_0: 1 / 16 + half + arithmetic
        case .q4_1: 1 / 15 + 3 * half + arithmetic
        case .q5_1: 1 / 31 + 3 * half + arithmetic
        case .tq1_0, .tq2_0: 0.5 + half + arithmetic
        case .mxfp4: 0.25
        default: nil
        }
    }

    /// The magnitude from which a block's binary16 parts may become infinite; smaller numbers can be stored.
    ///
    /// 65520 rounds to infinity. A number is its scale times the largest code (the lesser one of both signs),
    /// times the largest integer scale in the K formats; a minimum (`q4_1`, `q5_1`) is stored as it is, or in
    /// steps of the largest integer minimum (`q2_K`, `q4_K`, `q5_K`).
    package var firstTooLarge: Float {
        switch self {
        case .f32, .bf16, .i8, .u8, .i16, .i32, .i64, .f64: .infinity
        case .f16, .q4_1, .q5_1: 65_520
        case .q8_0: 65_520 * 127
        case .q4_0: 65_520 * 8
        case .q5_0: 65_520 * 16
        case .q2_K: 65_520 * 15
        case .q3_K: 65_520 * 31 * 3
        case .q4_K, .q5_K: 65_520 * 63
        case .q6_K: 65_520 * 127 * 31
        case .iq4_nl: 65_520 * 113
        case .iq4_xs: 65_520 * 31 * 113
        case .tq1_0, .tq2_0: 65_520
        default: .infinity
        }
    }
}
