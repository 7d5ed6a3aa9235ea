package import SwiftletTensor

/// How a policy acts on a sequence: planned before a prompt, applied after each layer or after the prompt, and
/// again while tokens are generated.
extension KVSequence {
    /// What the sequence keeps.
    public var policy: KVPolicy { compressor?.policy ?? .full }

    /// Rows per KV head on average that each layer may keep, by layer; `nil` before a prompt, for borrowers and for layers
    /// whose rows leave a window by themselves.
    public var budgets: [Int?] {
        var budgets = [Int?](repeating: nil, count: layout.layers.count)
        for (index, layer) in layout.policyLayers.enumerated() {
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
        fitRope(to: count)
        guard var compressor else { return .chunked }
        try restoreOrder()
        let total = length + count
        let rows = try budgetRows(promptLength: total)
        let caps = policyStates.map { max(states[$0].maximumRowCount + count, rows) }
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
        guard let compressor, compressor.forgetsLayers, layout.ownsSlot(layer) else { return }
        let index = stateIndices[layer]
        notePeak()
        guard let place = states[index].policyIndex else {
            return try states[index].slot.dropUnseenRows(at: compressor.promptLength)
        }
        if let budget = compressor.budgets?[place] {
            try states[index].compress(to: budget, step(compressor.policy, phase))
        }
        states[index].record.change(to: compressor.policy.decodeNeeds(promptLength: compressor.promptLength))
        try states[index].slot.age()
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
        try finishPrompt(phase: .prefill, compute: compute)
        try learnPrompt(compute)
    }

    /// Divides the budget, if that had to wait for the end of the prompt, and compresses what is left to do.
    package func finishPrompt(phase: KVPhase, compute: Compute) throws(SwiftletError) {
        try compressPrompt(phase: phase, compute)
        try ageRows(compute)
    }

    private func compressPrompt(phase: KVPhase, _ compute: Compute) throws(SwiftletError) {
        guard let compressor else { return }
        if compressor.budgets == nil {
            let allocator = compressor.policy.layers
            let rows = try budgetRows(promptLength: length)
            let step = step(compressor.policy, phase)
            var statistics = [Double](repeating: 0, count: policyStates.count)
            statistics.withUnsafeMutableBufferPointer { statistics in
                compute.run(policyStates.count) { index, _ in
                    statistics[index] = allocator.statistic(of: states[policyStates[index]].view(step))
                }
            }
            try self.compressor?.allocate(
                rows: rows, rowCounts: policyStates.map { max(states[$0].maximumRowCount, rows) },
                statistics: statistics)
        }
        notePeak()
        try compressLayers(phase: phase, compute)
        needs = compressor.policy.decodeNeeds(promptLength: length)
    }

    /// Compresses every layer after a generated token, or before tokens are proposed.
    package func compressStep(phase: KVPhase, compute: Compute) throws(SwiftletError) {
        try moveSlowRows()
        try dropUnseenRows()
        try dropRows(phase: phase, compute)
        try ageRows(compute)
    }

    private func dropRows(phase: KVPhase, _ compute: Compute) throws(SwiftletError) {
        guard let compressor, compressor.policy.selector != nil else { return }
        if compressor.budgets == nil {  // tokens without a prompt
            _ = try beginPrompt(0)
            return try compressPrompt(phase: phase, compute)
        }
        if compressor.policy.effectiveDecodeRule != .append { try compressLayers(phase: phase, compute) }
    }

    private func compressLayers(phase: KVPhase, _ compute: Compute) throws(SwiftletError) {
        guard let compressor, let budgets = compressor.budgets else { return }
        let step = step(compressor.policy, phase)
        try changeLayers(didMerge == nil ? compute : nil) { (_, state) throws(SwiftletError) in
            if let place = state.policyIndex { try state.compress(to: budgets[place], step) }
        }
    }

    /// Changes the state of every layer that stores rows, on all threads, or one after the other without `compute`.
    func changeLayers(
        _ compute: Compute?,
        _ change: (_ index: Int, _ state: inout KVLayerState) throws(SwiftletError) -> Void
    ) throws(SwiftletError) {
        var failures = [SwiftletError?](repeating: nil, count: states.count)
        failures.withUnsafeMutableBufferPointer { failures in
            states.withUnsafeMutableBufferPointer { states in
                func task(_ index: Int) {
                    do throws(SwiftletError) {
                        try change(index, &states[index])
                    } catch {
                        failures[index] = error
                    }
                }
                guard let compute else { return states.indices.forEach(task) }
                compute.run(states.count) { index, _ in task(index) }
            }
        }
        for case let failure? in failures { throw failure }
    }

    func step(_ policy: KVPolicy, _ phase: KVPhase) -> KVStep {
        KVStep(
            policy: policy, phase: phase, rope: rope, scale: scale, kernels: kernels, didMerge: didMerge)
    }

    /// Most rows that a KV head of a layer holds.
    func maximumRowCount(layer: Int) -> Int { states[stateIndices[layer]].maximumRowCount }

    /// Rows per layer and KV head on average that the budget allows after `promptLength` tokens.
    func budgetRows(promptLength: Int) throws(SwiftletError) -> Int {
        guard let compressor else { return promptLength }
        let rows: Int
        switch compressor.budget {
        case .share(let share): return KVBudget.rows(of: promptLength, share: share)
        case .rows(let count): rows = count
        case .bytes(let bytes):
            rows = max(try pagesPerHead(in: bytes, promptLength: promptLength) * KVPage.rowCapacity - 1, 0)
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

    /// Pages per layer and KV head that fit `bytes` together with what is recorded about their rows and with the windows
    /// of other layers; one less where heads or layers may differ, because each may then begin a page of its own.
    private func pagesPerHead(in bytes: Int, promptLength: Int) throws(SwiftletError) -> Int {
        let needs = policy.decodeNeeds(promptLength: promptLength)
        let evidence = states.map { $0.evidenceBytes(needs) }
        let heads = states.reduce(0) { $0 + $1.slot.shape.kvHeadCount }
        var fixed = evidence.reduce(heads * KVHead.positionSlack) { $0 + $1.fixed }
        var perPage = 0
        for (state, evidence) in zip(states, evidence) {
            if state.policyIndex == nil {
                fixed += try state.windowBytes(of: promptLength)
            } else {
                perPage += state.slot.pageBytesOfAllHeads + KVPage.rowCapacity * evidence.perToken
            }
        }
        let isEven = policy.heads == nil && policy.layers is UniformLayers && policy.hiddenRows == nil
        return max(bytes - fixed, 0) / max(perPage, 1) - (isEven ? 0 : 1)
    }
}
