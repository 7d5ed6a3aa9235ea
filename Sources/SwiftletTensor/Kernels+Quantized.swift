package import CSwiftletKernels

extension Kernels {
    /// Numbers per block of quantised activations.
    package static let activationBlock = 32

    /// Rounds activations to blocks of 32 bytes with one scale each; the same bits on every instruction set.
    ///
    /// A block's scale `d` is its largest magnitude divided by 127 and a code is `x / d`, rounded to nearest,
    /// ties to even: the error of a number is at most `d / 2`. Blocks below 2⁻¹⁰⁰ become 0; a number that is
    /// not finite makes the scale NaN.
    ///
    /// - Parameters:
    ///   - x: shape `[count]`.
    ///   - count: a multiple of 32; 0 does nothing.
    ///   - blocks: overwritten, shape `[count / 32]`.
    package func quantizeActivations(
        _ x: UnsafePointer<Float>, count: Int, into blocks: UnsafeMutablePointer<sl_q8_block>
    ) {
        precondition(count >= 0 && count % Self.activationBlock == 0, "\(count) numbers in blocks of 32")
        table.pointee.quantize_q8(x, count, blocks)
    }

    /// Multiplies a stored matrix by several quantised vectors, in integers: `y[token] = W·x[token]`.
    ///
    /// The integer sum of every group of 32 (16 in `q2_K`, `q3_K` and `q6_K`) is exact; groups are added in
    /// order, so that a result depends on its row and token only, never on the others in the call.
    ///
    /// - Parameters:
    ///   - format: one of the block formats.
    ///   - weights: `W`, shape `[rows, columns]`, row-major, any alignment.
    ///   - rows: may be 0.
    ///   - columns: a multiple of the block size.
    ///   - x: shape `[tokens, columns / 32]`.
    ///   - tokens: may be 0.
    ///   - y: overwritten, shape `[tokens, rows]`; must not overlap `x`.
    ///   - yStride: floats from one token of `y` to the next, at least `rows`.
    ///   - scratch: ``matmulScratch(columns:)`` floats, one buffer per thread.
    /// - Complexity: `rows × columns × tokens` multiply-adds; each weight is read once.
    package func matmul(
        _ format: sl_format, _ weights: UnsafeRawPointer, rows: Int, columns: Int,
        quantized x: UnsafePointer<sl_q8_block>, tokens: Int, into y: UnsafeMutablePointer<Float>,
        stride yStride: Int, scratch: UnsafeMutablePointer<Float>
    ) {
        checkBlocks(format, columns)
        precondition(rows >= 0 && tokens >= 0, "\(rows) rows, \(tokens) tokens")
        precondition(tokens < 2 || yStride >= rows, "y stride is \(yStride) < \(rows) rows")
        guard tokens > 0 else { return }
        let done = table.pointee.matmul_q8(format, weights, rows, columns, x, tokens, y, yStride, scratch)
        precondition(done, "format \(format.rawValue) has no integer product")
    }
}
