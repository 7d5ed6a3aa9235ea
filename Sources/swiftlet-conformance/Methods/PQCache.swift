extension OracleMethod {
    /// The kinds of `pqcache.json`.
    static let pqcache = OracleMethod(handlers: [:])
}
