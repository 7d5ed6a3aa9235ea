package import CSwiftletKernels

/// What the formats of cached rows need beside ``Kernels/quantize(_:_:into:count:)``.
extension Kernels {
    /// Stores `count` numbers with 4 or 2 bits each, in blocks of 32 with a binary16 step and least number.
    ///
    /// A code is `(x − least) / step` with ties to even, where `step` is the spread of the block divided by the largest
    /// code, computed in `Double`; a spread of 0 gives code 0. A block with a NaN or an infinity reads back as NaN.
    ///
    /// - Parameters:
    ///   - format: `SL_Q4_1` or `SL_Q2_1`; both are read by ``dequantize(_:_:into:count:)``.
    ///   - count: a multiple of 32; 0 does nothing.
    /// - Returns: `false`, writing nothing, for another format.
    /// - Source: Liu et al., 2024, arXiv:2402.02750, §3.
    package func quantizeKIVI(
        _ format: sl_format, _ source: UnsafePointer<Float>, into target: UnsafeMutableRawPointer, count: Int
    ) -> Bool {
        checkBlocks(format, count)
        return table.pointee.quantize_kivi(format, source, target, count)
    }

    /// Transforms every block of numbers by the orthonormal Walsh–Hadamard matrix, in place.
    ///
    /// The matrix is `(−1)^popcount(i & j) / √block`: symmetric, so that a second transform undoes the first.
    ///
    /// - Parameters:
    ///   - x: shape `[count]`.
    ///   - block: a power of two that divides `count`.
    /// - Complexity: `count × log₂ block` additions.
    package func hadamard(_ x: UnsafeMutablePointer<Float>, block: Int, count: Int) {
        precondition(
            block > 0 && block & (block - 1) == 0 && count >= 0 && count % block == 0,
            "\(count) numbers in blocks of \(block)")
        table.pointee.hadamard(x, block, count)
    }
}
