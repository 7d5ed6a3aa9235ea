/// Rows that stay whatever their score.
public struct KVForcedRows: Hashable, Sendable {
    /// Oldest rows, the attention sinks. They come first if the budget cannot hold all forced rows.
    public var oldest: Int
    /// Newest rows, the observation window.
    public var newest: Int

    /// Forces nothing unless told.
    public init(oldest: Int = 0, newest: Int = 0) {
        self.oldest = oldest
        self.newest = newest
    }

    /// All forced rows.
    public var count: Int { oldest + newest }
}

/// When rows leave while tokens are generated.
public enum KVDecodeRule: Hashable, Sendable {
    /// After every token, back to the budget.
    case everyStep
    /// When the budget is exceeded, by up to `interval` rows at once (at most an eighth of the budget), so that
    /// ranking is rare and the bound holds all the same.
    case periodic(interval: Int)
    /// As the selector says: it is asked after every prompt and every token, whether the budget is exceeded or not.
    case own
    /// Never: the budget bounds what the prompt leaves, generated tokens add to it.
    case append

    /// Rows that stay when `budget` is exceeded.
    func target(budget: Int) -> Int {
        switch self {
        case .everyStep, .append, .own: budget
        case .periodic(let interval): budget - max(min(interval, budget / 8), 1) + 1
        }
    }
}

/// How the rows of a KV head compare when one of them has to leave, in whatever order they lie.
public enum KVRowRanking: Sendable {
    /// Scores of some rows of a KV head, in their order.
    public typealias FixedScore =
        @Sendable (_ rows: Range<Int>, _ head: Int, _ layer: KVLayerView) -> [Float]

    /// Scores have to be computed from rows in ascending order.
    case ordered
    /// The oldest row leaves; nothing has to be computed.
    case age
    /// A row's score never changes, and is computed once.
    case fixed(FixedScore)
    /// ``KVSelector/scores(of:)`` says it in time that is linear in the rows, and does not mind their order.
    case recorded

    /// Whether scores stay with their rows.
    var isFixed: Bool {
        if case .fixed = self { true } else { false }
    }

    /// Whether all scores are computed again for every row that leaves.
    var isRecorded: Bool {
        if case .recorded = self { true } else { false }
    }
}

/// Ranks the cached rows of one attention layer.
///
/// A selector is a value: every layer of every sequence has its own copy, so what it remembers between calls
/// cannot leak. It sees evidence and answers with scores; it never touches storage.
public protocol KVSelector: KVSavedState, Sendable {
    /// When rows leave during generation.
    var decodeRule: KVDecodeRule { get }
    /// Whether scores of different KV heads can be compared, as probabilities can and norms cannot.
    var comparesAcrossHeads: Bool { get }
    /// How rows compare one by one; says the same as the scores.
    var ranking: KVRowRanking { get }
    /// Whether rows can be renumbered: not if scores count the tokens since a row's position, or follow it.
    var allowsRenumbering: Bool { get }
    /// Whether ``KVDecodeRule/own`` keeps to the budget.
    var boundsGeneration: Bool { get }
    /// What must be recorded during attention for ``scores(of:)`` to work; each item costs memory.
    func needs(promptLength: Int) -> KVEvidence
    /// What of it must be recorded while tokens are generated.
    func decodeNeeds(promptLength: Int) -> KVEvidence
    /// Rows that are kept in any case, part of a budget of so many rows.
    func forced(budget: Int, phase: KVPhase) -> KVForcedRows
    /// Score of every row of every KV head, `[kvHeads][rows]`; the larger stays, NaN counts as the smallest.
    mutating func scores(of layer: KVLayerView) -> [[Float]]
    /// Rows to keep in every KV head, at most `budgets[head]` of it. Asked when some head holds more than that.
    mutating func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection
    /// Rows to keep under ``KVDecodeRule/own``, `nil` for all. After a prompt it may be asked twice.
    mutating func update(from layer: KVLayerView, budgets: [Int]) -> KVSelection?
    /// Under ``KVDecodeRule/own``, after a generated token: the row of every KV head that leaves, in whatever order
    /// rows lie, or `nil` within a head for none. The last row takes its place.
    ///
    /// `nil` instead of a list, changing nothing, if rows have to ascend, or leave in greater number:
    /// ``update(from:budgets:)`` is asked then.
    mutating func rowsToRemove(from layer: KVLayerView, budgets: [Int]) -> [Int?]?
    /// Rows at the front of every KV head whose attention in decode is not looked at any more.
    var settledRows: Int { get }
    /// Bytes of what it remembers about rows.
    var heldBytes: Int { get }
    /// Most of them for each row of a KV head.
    var bytesPerRow: Int { get }
    /// Those that it goes through for every generated token.
    var bytesPerStep: Int { get }
}

extension KVSelector {
    /// Rows are ranked in ascending order.
    public var ranking: KVRowRanking { .ordered }

    /// Positions do not enter the scores, and rows are not rewritten token by token.
    public var allowsRenumbering: Bool { decodeRule != .own }

    /// The budget is a bound.
    public var boundsGeneration: Bool { true }

    /// Scores are probabilities.
    public var comparesAcrossHeads: Bool { true }

    /// The same as for the prompt.
    public func decodeNeeds(promptLength: Int) -> KVEvidence { needs(promptLength: promptLength) }

    /// Nothing is forced.
    public func forced(budget: Int, phase: KVPhase) -> KVForcedRows { KVForcedRows() }

    /// What ``select(from:budgets:)`` says once a head exceeds its budget.
    public mutating func update(from layer: KVLayerView, budgets: [Int]) -> KVSelection? {
        let exceeds = budgets.indices.contains { layer.rowCount(ofHead: $0) > budgets[$0] }
        return exceeds ? select(from: layer, budgets: budgets) : nil
    }

    /// Rows have to ascend.
    public mutating func rowsToRemove(from layer: KVLayerView, budgets: [Int]) -> [Int?]? { nil }

    /// All rows are looked at.
    public var settledRows: Int { 0 }

    /// Nothing is remembered.
    public var heldBytes: Int { 0 }

    /// Nothing is remembered.
    public var bytesPerRow: Int { 0 }

    /// What is remembered is only added to.
    public var bytesPerStep: Int { 0 }

    /// The forced rows, then the best; ties go to the lower position.
    public mutating func select(from layer: KVLayerView, budgets: [Int]) -> KVSelection {
        let phase = layer.phase
        return .best(of: scores(of: layer), budgets: budgets) { forced(budget: $0, phase: phase) }
    }
}

extension KVSelection {
    /// The forced rows of every head and the best of the others, `budgets[head]` in all.
    ///
    /// - Parameters:
    ///   - scores: `[kvHeads][rows]`, rows in ascending position.
    ///   - forced: what is kept under a budget.
    /// - Complexity: O(rows) per head.
    public static func best(
        of scores: [[Float]], budgets: [Int], forced: (_ budget: Int) -> KVForcedRows
    ) -> KVSelection {
        .perHead(zip(scores, budgets).map { best(of: $0, budget: $1, forced: forced($1)) })
    }

    /// The rows of one head that stay, ascending.
    static func best(of scores: [Float], budget: Int, forced: KVForcedRows) -> [Int] {
        guard scores.count > budget else { return Array(scores.indices) }
        let oldest = min(forced.oldest, budget)
        let newest = min(forced.newest, budget - oldest)
        let middle = scores[oldest..<scores.count - newest]
        return Array(0..<oldest) + middle.indicesOfLargest(budget - oldest - newest)
            + Array(scores.count - newest..<scores.count)
    }
}
