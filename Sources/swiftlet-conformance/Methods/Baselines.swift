extension OracleMethod {
    /// The kinds of `baselines.json`.
    static let baselines = OracleMethod(handlers: [:])
}
