extension OracleMethod {
    /// The kinds of `zigzagkv.json`.
    static let zigzagkv = OracleMethod(handlers: [:])
}
