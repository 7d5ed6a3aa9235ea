extension NumberFormat {
    /// The largest error of storing a number and reading it back, relative to the largest magnitude in its
    /// block, or `nil` for a format that Swiftlet does not write.
    ///
    /// Holds while the binary16 parts of a block (for `f16`, the number itself) lie in its normal range,
    /// 6.1e-5 to 65504; the scale is the largest magnitude, or the spread, divided by the largest code. The
    /// terms are half a step of the codes, a whole step where the code range is one short on the positive
    /// side (`q4_0`, `q5_0`), and 2⁻¹¹ for each binary16 scale or minimum, whose multiple a number is; the
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
        case .q2_K, .q3_K, .q4_K, .q5_K, .q6_K: nil
        }
    }
}
