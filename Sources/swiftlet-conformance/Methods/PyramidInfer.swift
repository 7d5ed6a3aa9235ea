extension OracleMethod {
    /// The kinds of `pyramidinfer.json`.
    static let pyramidInfer = OracleMethod(handlers: [:])
}
