extension OracleMethod {
    /// The kinds of `d2o.json`.
    static let d2o = OracleMethod(handlers: [:], isMixed: true)
}
