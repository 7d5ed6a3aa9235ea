package import CSwiftletKernels

extension sl_queries {
    /// Queries whose scores are neither capped nor sloped.
    package init(
        data: UnsafePointer<Float>?, token_stride: Int, token_count: Int, group: Int,
        positions: UnsafePointer<Int32>?, scale: Float, window: Int32
    ) {
        self.init(
            data: data, token_stride: token_stride, token_count: token_count, group: group,
            positions: positions, scale: scale, window: window, cap: 0, slopes: nil)
    }
}
