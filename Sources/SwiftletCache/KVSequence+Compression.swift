package import SwiftletTensor

/// How a policy acts on a sequence: planned before a prompt, applied after each layer or after the prompt, and
/// again while tokens are generated.
extension KVSequence {
    /// What the sequence keeps.
    public var policy: KVPolicy { compressor?.policy ?? .full }

    /// Rows per KV head on average that each layer may keep, by layer; `nil` before a prompt and for borrowers.
    public var budgets: [Int?] {
        var budgets = [Int?](repeating: nil, count: layout.layers.count)
        for (index, layer) in layout.storingLayers.enumerated() {
            budgets[layer] = compressor?.budgets?[index]
        }
        return budgets
    }

    /// Whether tokens after a prompt do no more than add their rows, so that many at once give the same bits as one
    /// by one.
    package var onlyAppends: Bool {
        guard retrieval == nil, !format.ages else { return false }
        guard let policy = compressor?.policy, policy.selector != nil else { return true }
        return policy.effectiveDecodeRule == .append
    }

    /// Announces `count` tokens of a prompt.
    ///
    /// - Returns: the order in which they have to be processed.
    /// - Throws: `.invalidArgument` if the budget is below what the policy keeps in any case.
    package func beginPrompt(_ count: Int) throws(SwiftletError) -> KVPrefillOrder {
        guard var compressor else { return .chunked }
        for layer in layout.storingLayers { try restoreOrder(layer: layer) }
        let total = length + count
        let rows = try budgetRows(promptLength: total)
        let caps = layout.storingLayers.map { max(maximumRowCount(layer: $0) + count, rows) }
        try compressor.begin(
            KVPrompt(
                length: total, start: length, layerCount: layout.layers.count,
                budget: compressor.policy.budget == nil ? nil : rows, owners: layout.owners), rows: rows,
            rowCounts: caps)
        self.compressor = compressor
        needs = compressor.policy.needs(promptLength: total)
        return length == 0 && compressor.policy.wantsLayerMajor ? .layerMajor : .chunked
    }

    /// In layer-major order: compresses a layer that all tokens have been through, if its budget is known, and
    /// forgets what was recorded for that.
    package func finish(layer: Int, phase: KVPhase) throws(SwiftletError) {
        guard let compressor, compressor.forgetsLayers else { return }
        if compressor.budgets != nil { try compress(layer: layer, phase: phase) }
        records[layer].change(to: compressor.policy.decodeNeeds(promptLength: compressor.promptLength))
        try slots[layer]?.age()
    }

    /// Rows of the residual stream that the policy lets through to the next layer; `nil` is all.
    package func hiddenRows(after layer: Int, positions: [Int32]) -> [Int]? {
        compressor?.survivors(after: view(of: layer, phase: .prefill), positions: positions)
    }

    /// Whether a first prompt can be read once and then be finished under several budgets: no budget says which rows
    /// take part in reading it.
    package var promptServesBudgets: Bool { policy.hiddenRows == nil }

    /// Finishes a first prompt that was read without dropping anything.
    ///
    /// - Throws: as ``beginPrompt(_:)``.
    package func finishReadPrompt(_ compute: Compute) throws(SwiftletError) {
        if compressor == nil { needs = KVEvidence() }  // a budget that keeps everything
        _ = try beginPrompt(0)
        try finishPrompt(phase: .prefill)
        try learnPrompt(compute)
    }

    /// Divides the budget, if that had to wait for the end of the prompt, and compresses what is left to do.
    package func finishPrompt(phase: KVPhase) throws(SwiftletError) {
        try compressPrompt(phase: phase)
        try ageRows()
    }

    private func compressPrompt(phase: KVPhase) throws(SwiftletError) {
        guard let compressor else { return }
        let layers = layout.storingLayers
        if compressor.budgets == nil {
            let allocator = compressor.policy.layers
            let rows = try budgetRows(promptLength: length)
            let rowCounts = layers.map { max(maximumRowCount(layer: $0), rows) }
            let statistics = layers.map { allocator.statistic(of: view(of: $0, phase: phase)) }
            try self.compressor?.allocate(rows: rows, rowCounts: rowCounts, statistics: statistics)
        }
        for layer in layers { try compress(layer: layer, phase: phase) }
        needs = compressor.policy.decodeNeeds(promptLength: length)
    }

    /// Compresses every layer after a generated token, or before tokens are proposed.
    package func compressStep(phase: KVPhase) throws(SwiftletError) {
        try moveSlowRows()
        try dropRows(phase: phase)
        try ageRows()
    }

    private func dropRows(phase: KVPhase) throws(SwiftletError) {
        guard let compressor, compressor.policy.selector != nil else { return }
        if compressor.budgets == nil {  // tokens without a prompt
            _ = try beginPrompt(0)
            return try compressPrompt(phase: phase)
        }
        for layer in layout.layers.indices { try compress(layer: layer, phase: phase) }
    }

    private func compress(layer: Int, phase: KVPhase) throws(SwiftletError) {
        guard let index = layout.storingLayers.firstIndex(of: layer) else { return }
        let counts = (0..<layout.layers[layer].kvHeadCount).map { rowCount(layer: layer, head: $0) }
        guard compressor?.target(at: index, counts: counts, phase: phase) != nil else { return }
        if slots[layer]?.movesRowsSingly == true,
            let budgets = compressor?.stepBudgets(at: index, layer: layer, counts: counts, phase: phase),
            try evict(layer: layer, at: index, budgets: budgets, phase: phase)
        {
            return
        }
        try restoreOrder(layer: layer)
        guard let outcome = compressor?.outcome(at: index, view(of: layer, phase: phase)) else { return }
        if phase != .decode { notePeak() }
        for (head, rewrites) in outcome.rewrites.enumerated() {
            for rewrite in rewrites {
                if let didMerge { didMerge(layer, head, positions(layer: layer, head: head)[rewrite.row]) }
                try self.rewrite(
                    layer: layer, head: head, row: rewrite.row, key: rewrite.key, value: rewrite.value)
            }
        }
        try slots[layer]?.keep(outcome.selection)
        records[layer].keep(outcome.selection)
        if policy.positions == .slot { try slots[layer]?.renumber(by: rope) }
    }

    /// Most rows that a KV head of a layer holds.
    func maximumRowCount(layer: Int) -> Int {
        (0..<layout.layers[layer].kvHeadCount).reduce(0) { max($0, rowCount(layer: layer, head: $1)) }
    }

    /// Rows per layer and KV head on average that the budget allows after `promptLength` tokens.
    func budgetRows(promptLength: Int) throws(SwiftletError) -> Int {
        guard let compressor else { return promptLength }
        let rows: Int
        switch compressor.budget {
        case .share(let share): return KVBudget.rows(of: promptLength, share: share)
        case .rows(let count): rows = count
        case .bytes(let bytes): rows = max(pagesPerHead(in: bytes) * KVPage.rowCapacity - 1, 0)
        }
        let forced = compressor.policy.selector?.forced(budget: rows, phase: .prefill).count ?? 0
        let minimum = max(forced, 1)
        guard rows >= min(minimum, promptLength) else {
            throw SwiftletError(
                .invalidArgument,
                "the cache budget \(compressor.budget) leaves \(rows) rows per layer and head, but "
                    + "'\(compressor.policy.specification)' keeps \(minimum) in any case; give at least \(minimum)"
            )
        }
        return rows
    }

    /// Pages per layer and KV head that fit `bytes`; one less where heads or layers may differ, because each may
    /// then begin a page of its own.
    private func pagesPerHead(in bytes: Int) -> Int {
        let perPage = slots.reduce(0) { $0 + ($1?.pageBytesOfAllHeads ?? 0) }
        let isEven = policy.heads == nil && policy.layers is UniformLayers && policy.hiddenRows == nil
        return bytes / perPage - (isEven ? 0 : 1)
    }
}
