/// StreamingLLM: keeps the first tokens, which attention uses as a sink, and the newest ones.
///
/// With ``KVPositionRule/slot`` rows are numbered by their place in the cache, as the paper does, and a sequence may
/// run for ever; with ``KVPositionRule/original`` rows keep the rotation that they were written with.
///
/// Source: Xiao et al., 2023, arXiv:2309.17453, §3.2.
public struct StreamingSelector: KVSelector {
    /// First tokens that stay.
    public var sinks: Int

    /// Keeps `sinks` first tokens.
    public init(sinks: Int = 4) { self.sinks = sinks }

    /// One row leaves for every row that enters.
    public var decodeRule: KVDecodeRule { .everyStep }

    /// Recency is the same number in every head, so that there is nothing to compare.
    public var comparesAcrossHeads: Bool { false }

    /// The oldest row behind the sinks leaves.
    public var ranking: KVRowRanking { .age }

    /// Nothing is recorded.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence() }

    /// The sinks.
    public func forced(budget: Int, phase: KVPhase) -> KVForcedRows { KVForcedRows(oldest: sinks) }

    /// The newer, the better.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { (0..<layer.rowCount(ofHead: $0)).map(Float.init) }
    }

    /// Sinks and newest rows, without ranking.
    public func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection {
        .perHead(
            budgets.enumerated().map { head, budget in
                survivors(of: layer.rowCount(ofHead: head), budget: budget)
            })
    }

    /// Rows of `count` that stay when `entering` more are about to follow.
    package func survivors(of count: Int, entering: Int = 0, budget: Int) -> [Int] {
        guard count + entering > budget else { return Array(0..<count) }
        let oldest = min(sinks, budget)
        let newest = max(count + entering - (budget - oldest), oldest)
        return Array(0..<min(oldest, count)) + (newest < count ? Array(newest..<count) : [])
    }
}
