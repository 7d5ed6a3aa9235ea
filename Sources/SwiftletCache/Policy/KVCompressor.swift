import SwiftletTensor

/// The plan of a policy for one sequence: the budgets of the current prompt. What it remembers of each layer is in
/// ``KVLayerState``.
struct KVCompressor {
    let policy: KVPolicy
    let budget: KVBudget
    /// Tokens seen at the end of the prompt.
    private(set) var promptLength = 0
    /// Rows per KV head on average of every layer that the policy drops rows of, once known, by its place among them.
    private(set) var budgets: [Int]?
    private var hiddenRows: (any KVHiddenRowRule)?

    init(_ policy: KVPolicy) {
        self.policy = policy
        budget = policy.effectiveBudget
        hiddenRows = policy.hiddenRows
    }

    /// Plans a prompt.
    ///
    /// - Parameters:
    ///   - rows: rows per layer and KV head on average that the budget allows.
    ///   - rowCounts: rows of each such layer at the end of the prompt, if nothing is dropped.
    mutating func begin(_ prompt: KVPrompt, rows: Int, rowCounts: [Int]) throws(SwiftletError) {
        promptLength = prompt.length
        budgets = nil
        if prompt.start == 0 { try hiddenRows?.prepare(for: prompt) }
        if policy.layers.isStatic {
            try allocate(rows: rows, rowCounts: rowCounts, statistics: rowCounts.map { _ in 0 })
        }
    }

    /// Divides the budget over the layers.
    mutating func allocate(rows: Int, rowCounts: [Int], statistics: [Double]) throws(SwiftletError) {
        guard let selector = policy.selector else { return }
        budgets = try policy.layers.budgets(
            for: KVDemand(
                total: rows * rowCounts.count, rowCounts: rowCounts,
                minimum: min(selector.forced(budget: rows, phase: .prefill).count, rows),
                statistics: statistics))
    }

    /// Whether a layer's evidence from the prompt is done with once the layer is finished.
    var forgetsLayers: Bool { budgets != nil || policy.selector == nil }

    /// Writes or reads what is planned between prompts. Rules for hidden rows are prepared anew for every first prompt
    /// and used by no other.
    ///
    /// - Parameters:
    ///   - length: tokens of the sequence.
    ///   - layers: layers that the policy drops rows of.
    mutating func code(_ state: inout KVStateCoder, length: Int, layers: Int) throws(SwiftletError) {
        try state.code(&promptLength, "the length of the prompt", in: 0...length)
        try state.code(&budgets, blank: []) { (state, budgets) throws(SwiftletError) in
            try state.code(&budgets, "budgets", count: layers...layers, blank: 0) {
                (state, budget) throws(SwiftletError) in
                try state.code(&budget, "a budget", in: 0...(1 << 48))
            }
        }
    }

    /// Rows of the residual stream that go on; `nil` is all.
    mutating func survivors(after view: KVLayerView, positions: [Int32]) -> [Int]? {
        hiddenRows?.survivors(after: view, positions: positions)
    }
}
