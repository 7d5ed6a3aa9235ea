package import CSwiftletKernels

extension Kernels {
    /// Adds in place: `x += y`, shape `[count]`.
    package func add(_ x: UnsafeMutablePointer<Float>, _ y: UnsafePointer<Float>, count: Int) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.add(x, y, count)
    }

    /// Multiplies in place: `x *= factor`, shape `[count]`.
    package func scale(_ x: UnsafeMutablePointer<Float>, by factor: Float, count: Int) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.scale(x, factor, count)
    }

    /// Divides a vector by its root mean square: `y = x / √(mean(x²) + epsilon) · weight`.
    ///
    /// Squares are summed in `Float`: relative error `(count / 8 + 4) × 2⁻²⁴`; numbers above 1.8e19 overflow
    /// to 0.
    ///
    /// - Parameters:
    ///   - x: shape `[count]`.
    ///   - weight: shape `[count]`, or `nil` for ones.
    ///   - epsilon: added to the mean square.
    ///   - y: overwritten, shape `[count]`; may be `x`.
    ///   - count: numbers per vector; 0 does nothing.
    /// - Source: Zhang and Sennrich, 2019, arXiv:1910.07467, eq. 4.
    package func rmsNorm(
        _ x: UnsafePointer<Float>, weight: UnsafePointer<Float>?, epsilon: Float,
        into y: UnsafeMutablePointer<Float>, count: Int
    ) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.rms_norm(x, weight, epsilon, y, count)
    }

    /// Replaces `x` by `exp(x) / Σ exp(x)`, computed on `x − max(x)`.
    ///
    /// Relative error `(|x − max| + count / 8 + 8) × 2⁻²³`. Entries of −∞ become 0, and so does everything if
    /// all are −∞; a NaN or +∞ makes every entry NaN.
    package func softmax(_ x: UnsafeMutablePointer<Float>, count: Int) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.softmax(x, count)
    }

    /// The gated SiLU `y = gate · sigmoid(gate) · up`, shape `[count]`; `y` may be `gate` or `up`.
    ///
    /// - Source: Shazeer, 2020, arXiv:2002.05202, eq. 6.
    package func siluMultiply(
        _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
        count: Int
    ) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.silu_mul(gate, up, y, count)
    }

    /// The gated GELU `y = gate · Φ(gate) · up` with the exact Φ, shape `[count]`; `y` may be `gate` or `up`.
    ///
    /// - Source: Hendrycks and Gimpel, 2016, arXiv:1606.08415, §2.
    package func geluMultiply(
        _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
        count: Int
    ) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.gelu_mul(gate, up, y, count)
    }

    /// The gated GELU with the tanh approximation, shape `[count]`; `y` may be `gate` or `up`.
    ///
    /// `gate · up · ½(1 + tanh(√(2/π)(gate + 0.044715·gate³)))`, computed as a sigmoid, which does not
    /// cancel.
    ///
    /// - Source: Hendrycks and Gimpel, 2016, arXiv:1606.08415, §2.
    package func geluTanhMultiply(
        _ gate: UnsafePointer<Float>, _ up: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
        count: Int
    ) {
        precondition(count >= 0, "\(count) numbers")
        table.pointee.gelu_tanh_mul(gate, up, y, count)
    }

    /// Rotates pairs of dimensions of the heads of one token, in place.
    ///
    /// - Parameters:
    ///   - x: shape `[heads, headSize]`.
    ///   - heads: adjacent vectors, all at the same position.
    ///   - headSize: dimensions per vector; those from `2·pairs` on stay.
    ///   - pairs: how many angles.
    ///   - cosine: of each angle at the token's position, shape `[pairs]`.
    ///   - sine: likewise.
    ///   - pairing: which two dimensions an angle rotates.
    /// - Source: Su et al., 2021, arXiv:2104.09864, §3.4.2.
    package func rope(
        _ x: UnsafeMutablePointer<Float>, heads: Int, headSize: Int, pairs: Int, cosine: UnsafePointer<Float>,
        sine: UnsafePointer<Float>, pairing: sl_rope_pairing
    ) {
        precondition(
            heads >= 0 && pairs >= 0 && 2 * pairs <= headSize, "\(pairs) pairs of \(headSize) dimensions")
        table.pointee.rope(x, heads, headSize, pairs, cosine, sine, pairing)
    }
}
