package import CSwiftletKernels

extension Kernels {
    /// Floats of scratch memory that ``matmul(_:_:rows:columns:_:stride:tokens:into:stride:scratch:)`` needs.
    package static func matmulScratch(columns: Int) -> Int { sl_matmul_scratch(columns) }

    /// Turns `count` stored numbers into `Float`, exactly as ``Reference`` does.
    ///
    /// - Parameters:
    ///   - format: how `source` is stored.
    ///   - source: any alignment.
    ///   - target: overwritten, shape `[count]`.
    ///   - count: a multiple of the block size; 0 does nothing.
    package func dequantize(
        _ format: sl_format, _ source: UnsafeRawPointer, into target: UnsafeMutablePointer<Float>, count: Int
    ) {
        checkBlocks(format, count)
        table.pointee.dequantize(format, source, target, count)
    }

    /// Stores `count` numbers in a format, rounding to nearest; the bytes equal those of ``Reference``.
    ///
    /// In the K formats, scales and minima are searched for that make the squared error of a block small; the
    /// bytes are the same on every instruction set. A block with a NaN or an infinity reads back as NaN.
    ///
    /// - Returns: `false`, writing nothing, for a number that is no format.
    /// - Complexity: linear; a number takes about 10 ns in the K formats with AVX2.
    package func quantize(
        _ format: sl_format, _ source: UnsafePointer<Float>, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        checkBlocks(format, count)
        return table.pointee.quantize(format, source, target, count)
    }

    /// The dot product `Σ w[i]·x[i]` of stored numbers and floats.
    ///
    /// Accurate to `(count / 4 + 20) × 2⁻²⁴ × Σ|w[i]·x[i]|`; 0 for an empty row.
    package func dot(_ format: sl_format, _ w: UnsafeRawPointer, _ x: UnsafePointer<Float>, count: Int)
        -> Float
    {
        checkBlocks(format, count)
        return table.pointee.dot(format, w, x, count)
    }

    /// Multiplies a stored matrix by a vector: `y = W·x`.
    ///
    /// Each row is what ``dot(_:_:_:count:)`` gives, bit for bit.
    ///
    /// - Parameters:
    ///   - format: how `weights` is stored.
    ///   - weights: `W`, shape `[rows, columns]`, row-major, any alignment.
    ///   - rows: may be 0.
    ///   - columns: a multiple of the block size.
    ///   - x: shape `[columns]`.
    ///   - y: overwritten, shape `[rows]`; must not overlap `x`.
    /// - Complexity: `rows × columns` multiply-adds; each weight is read once.
    package func matvec(
        _ format: sl_format, _ weights: UnsafeRawPointer, rows: Int, columns: Int, _ x: UnsafePointer<Float>,
        into y: UnsafeMutablePointer<Float>
    ) {
        checkBlocks(format, columns)
        precondition(rows >= 0, "\(rows) rows")
        table.pointee.matvec(format, weights, rows, columns, x, y)
    }

    /// Multiplies a stored matrix by several vectors: `y[token] = W·x[token]`.
    ///
    /// Each number is what ``dot(_:_:_:count:)`` gives, bit for bit, so that a prompt may be cut anywhere.
    ///
    /// - Parameters:
    ///   - format: how `weights` is stored.
    ///   - weights: `W`, shape `[rows, columns]`, row-major, any alignment.
    ///   - rows: may be 0.
    ///   - columns: a multiple of the block size.
    ///   - x: shape `[tokens, columns]`.
    ///   - xStride: floats from one token of `x` to the next, at least `columns`.
    ///   - tokens: may be 0.
    ///   - y: overwritten, shape `[tokens, rows]`; must not overlap `x`.
    ///   - yStride: floats from one token of `y` to the next, at least `rows`.
    ///   - scratch: ``matmulScratch(columns:)`` floats, one buffer per thread.
    /// - Complexity: `rows × columns × tokens` multiply-adds; each weight is read once.
    package func matmul(
        _ format: sl_format, _ weights: UnsafeRawPointer, rows: Int, columns: Int, _ x: UnsafePointer<Float>,
        stride xStride: Int, tokens: Int, into y: UnsafeMutablePointer<Float>, stride yStride: Int,
        scratch: UnsafeMutablePointer<Float>
    ) {
        checkBlocks(format, columns)
        precondition(rows >= 0 && tokens >= 0, "\(rows) rows, \(tokens) tokens")
        precondition(tokens < 2 || xStride >= columns, "x stride is \(xStride) < \(columns) columns")
        precondition(tokens < 2 || yStride >= rows, "y stride is \(yStride) < \(rows) rows")
        table.pointee.matmul(format, weights, rows, columns, x, xStride, tokens, y, yStride, scratch)
    }
}
