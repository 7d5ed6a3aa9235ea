extension OracleMethod {
    /// The kinds of `uncomp.json`.
    static let uncomp = OracleMethod(handlers: [:], isMixed: true)
}
