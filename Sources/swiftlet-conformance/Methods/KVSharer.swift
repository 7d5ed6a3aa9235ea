extension OracleMethod {
    /// The kinds of `kvsharer.json`.
    static let kvsharer = OracleMethod(handlers: [:])
}
