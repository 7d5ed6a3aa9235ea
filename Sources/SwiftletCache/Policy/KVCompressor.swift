import SwiftletTensor

/// The state of a policy in one sequence: its parts per layer, and the budgets of the current prompt.
struct KVCompressor {
    /// What one layer remembers.
    private struct Layer {
        var selector: any KVSelector
        var merger: (any KVMerger)?
    }

    /// What leaves a layer, and what the rest becomes.
    struct Outcome {
        var selection: KVSelection
        var rewrites: [[KVRewrite]]
    }

    let policy: KVPolicy
    let budget: KVBudget
    /// Tokens seen at the end of the prompt.
    private(set) var promptLength = 0
    /// Rows per KV head on average of every layer that stores rows, once known, by its place among them.
    private(set) var budgets: [Int]?
    private var layers: [Layer]
    private var hiddenRows: (any KVHiddenRowRule)?

    init(_ policy: KVPolicy, storingLayers: Int) {
        self.policy = policy
        budget = policy.effectiveBudget
        hiddenRows = policy.hiddenRows
        layers =
            policy.selector.map {
                Array(repeating: Layer(selector: $0, merger: policy.merger), count: storingLayers)
            } ?? []
    }

    /// Plans a prompt.
    ///
    /// - Parameters:
    ///   - rows: rows per layer and KV head on average that the budget allows; `nil` without a budget.
    ///   - rowCounts: rows of each storing layer at the end of the prompt, if nothing is dropped.
    mutating func begin(_ prompt: KVPrompt, rows: Int, rowCounts: [Int]) throws(SwiftletError) {
        promptLength = prompt.length
        budgets = nil
        if prompt.start == 0 { try hiddenRows?.prepare(for: prompt) }
        if policy.layers.isStatic, let selector = layers.first?.selector {
            budgets = try policy.layers.budgets(
                for: demand(selector, rows: rows, rowCounts: rowCounts, statistics: rowCounts.map { _ in 0 }))
        }
    }

    /// Divides the budget after the prompt.
    mutating func allocate(rows: Int, rowCounts: [Int], statistics: [Double]) throws(SwiftletError) {
        guard let selector = layers.first?.selector else { return }
        budgets = try policy.layers.budgets(
            for: demand(selector, rows: rows, rowCounts: rowCounts, statistics: statistics))
    }

    private func demand(
        _ selector: any KVSelector, rows: Int, rowCounts: [Int], statistics: [Double]
    ) -> KVDemand {
        KVDemand(
            total: rows * rowCounts.count, rowCounts: rowCounts,
            minimum: min(selector.forced(budget: rows, phase: .prefill).count, rows), statistics: statistics)
    }

    /// What ranks the rows of a layer.
    func selector(at index: Int) -> any KVSelector { layers[index].selector }

    /// Its scores now.
    mutating func scores(at index: Int, _ view: KVLayerView) -> [[Float]] {
        layers[index].selector.scores(of: view)
    }

    /// Whether evicted rows are folded into others.
    var merges: Bool { policy.merger != nil }

    /// What becomes of one row of every KV head when single rows leave.
    mutating func fold(_ evicted: [Int?], at index: Int, _ view: KVLayerView) -> [KVRewrite?] {
        layers[index].merger?.fold(evicted, in: view) ?? []
    }

    /// Rows per KV head down to which single rows can leave, whatever the order in which the others lie; `nil` if
    /// rows have to ascend for what is to be done.
    ///
    /// - Parameters:
    ///   - index: the layer's place among those that store rows.
    ///   - layer: its place in the plan.
    ///   - counts: rows of its KV heads.
    func stepBudgets(at index: Int, layer: Int, counts: [Int], phase: KVPhase) -> [Int]? {
        guard phase == .decode || phase == .verify, policy.effectiveDecodeRule == .everyStep,
            policy.positions == .original, policy.heads?.readsScores != true, let budget = budgets?[index]
        else { return nil }
        let selector = layers[index].selector
        if let merger = policy.merger, !merger.foldsSingleRows || selector.ranking.isFixed { return nil }
        if case .ordered = selector.ranking { return nil }
        let forced = selector.forced(budget: budget, phase: phase)
        let rows =
            policy.heads?.budgets(layer: layer, budget: budget, scores: [], forced: forced)
            ?? counts.map { _ in budget }
        let excess = zip(counts, rows).reduce(0) { max($0, $1.0 - $1.1) }
        return excess <= KVSequence.mostSingleRows ? rows : nil
    }

    /// Rows per head to which a layer has to go down, or `nil` while its rows are within the budget.
    ///
    /// - Parameters:
    ///   - index: the layer's place among those that store rows.
    ///   - counts: rows of its KV heads.
    func target(at index: Int, counts: [Int], phase: KVPhase) -> Int? {
        budgets.flatMap { target($0[index], counts, phase) }
    }

    /// What leaves a layer now, or `nil` if everything fits.
    ///
    /// - Parameter index: the layer's place among those that store rows.
    mutating func outcome(at index: Int, _ view: KVLayerView) -> Outcome? {
        let counts = (0..<view.shape.kvHeadCount).map(view.rowCount(ofHead:))
        guard let budget = target(at: index, counts: counts, phase: view.phase),
            let selection = select(index, view, budget: budget, counts: counts)
        else { return nil }
        guard layers[index].merger != nil else { return Outcome(selection: selection, rewrites: []) }
        let kept = counts.indices.map { selection.rows(ofHead: $0) }
        let evicted = counts.indices.map { selection.droppedRows(ofHead: $0, of: counts[$0]) }
        return Outcome(
            selection: selection,
            rewrites: layers[index].merger?.merge(in: view, kept: kept, evicted: evicted) ?? [])
    }

    /// Rows per head to go down to, or `nil` while the rows are within the budget.
    private func target(_ budget: Int, _ counts: [Int], _ phase: KVPhase) -> Int? {
        guard phase == .decode || phase == .verify else { return budget }
        let rule = policy.effectiveDecodeRule
        if rule == .own { return budget }
        let exceeds =
            policy.heads.map { $0.readsScores } == false
            ? true : counts.reduce(0, +) > budget * counts.count
        return rule == .append || !exceeds ? nil : rule.target(budget: budget)
    }

    private mutating func select(
        _ index: Int, _ view: KVLayerView, budget: Int, counts: [Int]
    ) -> KVSelection? {
        let phase = view.phase
        let selector = layers[index].selector
        let forced = selector.forced(budget: budget, phase: phase)
        if let heads = policy.heads, heads.readsScores {
            guard counts.reduce(0, +) > budget * counts.count else { return nil }
            let scores = layers[index].selector.scores(of: view)
            let rows = heads.budgets(layer: view.layer, budget: budget, scores: scores, forced: forced)
            return .best(of: scores, budgets: rows) { selector.forced(budget: min($0, budget), phase: phase) }
        }
        let rows =
            policy.heads?.budgets(layer: view.layer, budget: budget, scores: [], forced: forced)
            ?? counts.map { _ in budget }
        if policy.effectiveDecodeRule == .own {
            return layers[index].selector.update(from: view, budgets: rows)
        }
        guard zip(counts, rows).contains(where: { $0 > $1 }) else { return nil }
        return layers[index].selector.select(from: view, budgets: rows)
    }

    /// Whether a layer's evidence from the prompt is done with once the layer is finished.
    var forgetsLayers: Bool { budgets != nil || policy.selector == nil }

    /// Writes or reads what the policy remembers between prompts. Rules for hidden rows are prepared anew for every
    /// first prompt and used by no other.
    ///
    /// - Parameter length: tokens of the sequence.
    mutating func code(_ state: inout KVStateCoder, length: Int) throws(SwiftletError) {
        try state.code(&promptLength, "the length of the prompt", in: 0...length)
        let count = layers.count
        try state.code(&budgets, blank: []) { (state, budgets) throws(SwiftletError) in
            try state.code(&budgets, "budgets", count: count...count, blank: 0) {
                (state, budget) throws(SwiftletError) in
                try state.code(&budget, "a budget", in: 0...(1 << 48))
            }
        }
        for index in layers.indices {
            try layers[index].selector.code(&state)
            try layers[index].merger?.code(&state)
        }
    }

    /// Rows of the residual stream that go on; `nil` is all.
    mutating func survivors(after view: KVLayerView, positions: [Int32]) -> [Int]? {
        hiddenRows?.survivors(after: view, positions: positions)
    }
}
