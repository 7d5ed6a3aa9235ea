import SwiftletTensor

/// How the rows of a layer go down to its budget.
extension KVLayerState {
    /// What leaves a layer, and what the rest becomes.
    private struct Outcome {
        var selection: KVSelection
        var rewrites: [[KVRewrite]]
    }

    /// Drops what exceeds `budget`, rows per KV head on average, at the times that the policy says.
    mutating func compress(to budget: Int, _ step: KVStep) throws(SwiftletError) {
        let counts = rowCounts
        guard let target = target(budget, counts, step) else { return }
        if slot.movesRowsSingly, try evictSingly(budget, counts, step) { return }
        try restoreOrder()
        guard let outcome = outcome(target, counts, step) else { return }
        for (head, rewrites) in outcome.rewrites.enumerated() {
            for rewrite in rewrites {
                step.didMerge?(layer, head, slot.positions(ofHead: head)[rewrite.row])
                try slot.rewrite(head: head, row: rewrite.row, key: rewrite.key, value: rewrite.value)
            }
        }
        try slot.keep(outcome.selection)
        record.keep(outcome.selection)
        if step.policy.positions == .slot { try slot.renumber(by: slot.shape.rope ?? step.rope) }
    }

    /// Rows per head to go down to, or `nil` while the rows are within the budget.
    private func target(_ budget: Int, _ counts: [Int], _ step: KVStep) -> Int? {
        guard step.phase == .decode || step.phase == .verify else { return budget }
        let rule = step.policy.effectiveDecodeRule
        if rule == .own { return budget }
        let exceeds =
            step.policy.heads.map { $0.readsScores } == false
            ? true : counts.reduce(0, +) > budget * counts.count
        return rule == .append || !exceeds ? nil : rule.target(budget: budget)
    }

    /// Lets single rows leave in whatever order the others lie.
    ///
    /// - Returns: false, doing nothing, if that cannot be.
    private mutating func evictSingly(
        _ budget: Int, _ counts: [Int], _ step: KVStep
    ) throws(SwiftletError) -> Bool {
        if let budgets = stepBudgets(budget, counts, step) { return try evict(to: budgets, step) }
        guard step.phase == .decode, step.policy.effectiveDecodeRule == .own, merger == nil else {
            return false
        }
        guard let rows = rowsToRemove(budget, counts, step) else { return false }
        try remove(rows)
        return true
    }

    /// What the selector's own rule lets go; the view it looks at is gone when this returns, so that no one shares the
    /// rows any more.
    private mutating func rowsToRemove(_ budget: Int, _ counts: [Int], _ step: KVStep) -> [Int?]? {
        let view = view(step)
        return withSelector { selector in
            selector.rowsToRemove(
                from: view,
                budgets: Self.evenBudgets(view.layer, budget, counts, step.phase, step.policy, selector))
        } ?? nil
    }

    /// Rows per KV head down to which single rows can leave, whatever the order in which the others lie; `nil` if
    /// rows have to ascend for what is to be done.
    private func stepBudgets(_ budget: Int, _ counts: [Int], _ step: KVStep) -> [Int]? {
        let policy = step.policy
        guard step.phase == .decode || step.phase == .verify, policy.effectiveDecodeRule == .everyStep,
            policy.positions == .original, policy.heads?.readsScores != true, let selector
        else { return nil }
        if let merger, !merger.foldsSingleRows || selector.ranking.isFixed { return nil }
        if case .ordered = selector.ranking { return nil }
        let rows = Self.evenBudgets(layer, budget, counts, step.phase, policy, selector)
        let excess = zip(counts, rows).reduce(0) { max($0, $1.0 - $1.1) }
        return excess <= Self.mostSingleRows ? rows : nil
    }

    /// What each KV head may keep where scores do not decide that.
    private static func evenBudgets(
        _ layer: Int, _ budget: Int, _ counts: [Int], _ phase: KVPhase, _ policy: KVPolicy,
        _ selector: any KVSelector
    ) -> [Int] {
        let forced = selector.forced(budget: budget, phase: phase)
        return policy.heads?.budgets(
            layer: layer, budget: budget, rowCounts: counts, scores: [], forced: forced)
            ?? counts.map { _ in budget }
    }

    private mutating func outcome(_ budget: Int, _ counts: [Int], _ step: KVStep) -> Outcome? {
        let view = view(step)
        guard let selection = select(view, budget: budget, counts: counts, step.policy) else { return nil }
        guard merger != nil else { return Outcome(selection: selection, rewrites: []) }
        let kept = counts.indices.map { selection.rows(ofHead: $0) }
        let evicted = counts.indices.map { selection.droppedRows(ofHead: $0, of: counts[$0]) }
        return Outcome(
            selection: selection, rewrites: merger?.merge(in: view, kept: kept, evicted: evicted) ?? [])
    }

    private mutating func select(
        _ view: KVLayerView, budget: Int, counts: [Int], _ policy: KVPolicy
    ) -> KVSelection? {
        withSelector { Self.select(view, budget: budget, counts: counts, policy, &$0) } ?? nil
    }

    /// Changes what the selector remembers in place.
    private mutating func withSelector<Result>(_ body: (inout any KVSelector) -> Result) -> Result? {
        guard var ranking = selector else { return nil }
        selector = nil  // so that `ranking` is the only reference
        defer { selector = ranking }
        return body(&ranking)
    }

    private static func select(
        _ view: KVLayerView, budget: Int, counts: [Int], _ policy: KVPolicy, _ ranking: inout any KVSelector
    ) -> KVSelection? {
        if let heads = policy.heads, heads.readsScores {
            guard counts.reduce(0, +) > budget * counts.count else { return nil }
            let forced = ranking.forced(budget: budget, phase: view.phase)
            let scores = ranking.scores(of: view)
            let rows = heads.budgets(
                layer: view.layer, budget: budget, rowCounts: counts, scores: scores, forced: forced)
            return .best(of: scores, budgets: rows) {
                ranking.forced(budget: min($0, budget), phase: view.phase)
            }
        }
        let rows = evenBudgets(view.layer, budget, counts, view.phase, policy, ranking)
        if policy.effectiveDecodeRule == .own { return ranking.update(from: view, budgets: rows) }
        guard zip(counts, rows).contains(where: { $0 > $1 }) else { return nil }
        return ranking.select(from: view, budgets: rows)
    }
}
