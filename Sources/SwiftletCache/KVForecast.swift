package import SwiftletTensor

/// What a cache will hold, by the sizes in which it takes memory.
public struct KVForecast: Hashable, Sendable {
    /// Bytes of rows, positions, evidence and index after the prompt.
    public var heldBytes: Int
    /// The most bytes at once up to then.
    public var peakBytes: Int
    /// Rows per KV head after the prompt, on average over the heads of all layers that store rows.
    public var meanRows: Double
    /// Whether rows are divided by what is in the prompt: their sum is known, how many pages are filled in part is
    /// expected.
    public var dependsOnText: Bool
}

/// What a policy leaves of the rows of one layer.
private struct KVLayerForecast {
    /// Bytes before and after rows leave, evidence included.
    var full: Int
    var kept: Int
    /// Bytes before the first row: what is recorded in any case.
    var empty: Int
    /// Rows of all KV heads that stay.
    var rows: Double
    var dependsOnText: Bool
}

extension KVSequence {
    /// What an empty sequence will hold when it has read a first prompt, and at most on the way, without reading it.
    ///
    /// Uses what reading uses: the pages' geometry, the policy's budgets and forced rows, the order of prefill, and
    /// what is recorded in the meantime.
    ///
    /// - Parameters:
    ///   - count: tokens of the prompt, at least 1.
    ///   - chunk: tokens that are processed at a time.
    ///   - added: rows of every KV head that are added after the prompt.
    /// - Throws: `.invalidArgument` if the budget is below what the policy keeps in any case.
    /// - Complexity: O(layers × KV heads), and O(layers²) for the budgets.
    package func forecast(
        reading count: Int, chunk: Int, adding added: Int = 0
    ) throws(SwiftletError) -> KVForecast {
        precondition(length == 0 && count > 0, "a forecast for \(count) tokens after \(length)")
        let reaching = try rowsReachingLayers(count)
        let budgets = try foreseenBudgets(count)
        let capacity = policy.evicts ? policy.needs(promptLength: count).windowQueries : 0
        var queries: [Int: Int] = [:]  // held after so many rows
        for rows in reaching where queries[rows] == nil {
            queries[rows] = QueryWindow.count(capacity: capacity, tokens: rows, chunk: chunk)
        }
        var layers: [KVLayerForecast] = []
        for index in states.indices {
            let rows = reaching[states[index].layer]
            layers.append(
                try forecast(
                    states[index], rows: rows, chunk: chunk, queries: queries[rows] ?? 0, of: count,
                    budget: states[index].policyIndex.flatMap { budgets?[$0] }, adding: added))
        }
        let index = retrieval?.bytesNeeded(layers: states.map { $0.slot.shape }, length: count) ?? 0
        let held = layers.reduce(index) { $0 + $1.kept }
        let measured = layout.policyLayers.map { stateIndices[$0] }
        let heads = measured.reduce(0) { $0 + states[$1].slot.shape.kvHeadCount }
        return KVForecast(
            heldBytes: held, peakBytes: max(held, peak(layers)),
            meanRows: measured.reduce(0) { $0 + layers[$1].rows } / Double(max(heads, 1)),
            dependsOnText: layers.contains(where: \.dependsOnText))
    }

    /// Where layers are compressed one by one, one is full, those before it are done and those behind it empty.
    private func peak(_ layers: [KVLayerForecast]) -> Int {
        guard readsLayerMajor, policy.selector == nil || policy.layers.isStatic else {
            return layers.reduce(0) { $0 + $1.full }
        }
        var now = layers.reduce(0) { $0 + $1.empty }
        var peak = now
        for layer in layers {
            now += layer.full - layer.empty
            peak = max(peak, now)
            now += layer.kept - layer.full
        }
        return peak
    }

    /// Rows of the residual stream that reach every layer.
    private func rowsReachingLayers(_ count: Int) throws(SwiftletError) -> [Int] {
        guard policy.evicts, var rule = policy.hiddenRows else {
            return Array(repeating: count, count: layout.layers.count)
        }
        try rule.prepare(
            for: KVPrompt(
                length: count, start: 0, layerCount: layout.layers.count,
                budget: policy.budget == nil ? nil : try budgetRows(promptLength: count),
                owners: layout.owners))
        var rows = count
        return layout.layers.indices.map { layer in
            defer { if layout.ownsSlot(layer) { rows = rule.survivorCount(after: layer, of: rows) } }
            return rows
        }
    }

    /// Budgets of the layers that store rows; `nil` if none has one. Layers that are compared by what is in the prompt
    /// count as equal.
    private func foreseenBudgets(_ count: Int) throws(SwiftletError) -> [Int]? {
        guard policy.evicts else { return nil }
        let rows = try budgetRows(promptLength: count)
        guard var compressor else { return nil }
        let caps = policyStates.map { _ in max(count, rows) }
        try compressor.allocate(rows: rows, rowCounts: caps, statistics: caps.map { _ in 0 })
        return compressor.budgets
    }

    private func forecast(
        _ state: KVLayerState, rows count: Int, chunk: Int, queries: Int, of promptLength: Int, budget: Int?,
        adding added: Int
    ) throws(SwiftletError) -> KVLayerForecast {
        let shape = state.slot.shape
        let isRecorded = policy.evicts && state.policyIndex != nil
        let needs = isRecorded ? policy.needs(promptLength: promptLength) : KVEvidence()
        let later = isRecorded ? policy.decodeNeeds(promptLength: promptLength) : KVEvidence()
        let counts = Array(repeating: state.slot.rowsKept(of: count), count: shape.kvHeadCount)
        // Layer by layer, the rows of a window leave when all of the prompt has been through.
        let isWhole = readsLayerMajor && shape.content != .state
        let most = isWhole ? count : state.slot.mostRows(reading: count, chunk: chunk)
        let full = try shape.kvHeadCount * state.slot.byteCount(ofRows: most, aged: false)
        let kept = try keptRows(state, counts, budget, adding: added)
        let rows = Int(kept.rows.rounded())
        let newest = later == needs ? queries : min(queries, later.windowQueries)
        return KVLayerForecast(
            full: full + needs.heldBytes(shape, queries: queries, rows: count * shape.kvHeadCount),
            kept: kept.bytes + later.heldBytes(shape, queries: newest, rows: rows)
                + rows * (state.selector?.bytesPerRow ?? 0),
            empty: needs.heldBytes(shape, queries: 0, rows: 0), rows: kept.rows,
            dependsOnText: kept.isExpected)
    }

    /// Rows of all KV heads that a layer goes down to, and the bytes of their pages.
    private func keptRows(
        _ state: KVLayerState, _ counts: [Int], _ budget: Int?, adding added: Int
    ) throws(SwiftletError) -> (rows: Double, bytes: Int, isExpected: Bool) {
        if state.policyIndex == nil, added > 0 {
            return (Double(counts.reduce(0, +)), try state.windowBytes(of: counts[0] + added), false)
        }
        let all = counts.reduce(0, +)
        var rows = counts
        var isExpected = false
        if let budget, let selector = state.selector,
            policy.effectiveDecodeRule != .own || selector.boundsGeneration
        {
            isExpected = !policy.layers.isStatic && budget < counts[0]
            if let heads = policy.heads, !heads.readsScores {
                let forced = selector.forced(budget: budget, phase: .prefill)
                let budgets = heads.budgets(
                    layer: state.layer, budget: budget, rowCounts: counts, scores: [], forced: forced)
                rows = zip(counts, budgets).map { min($0, $1) }
            } else {
                rows = counts.map { min($0, budget) }
                isExpected = isExpected || policy.heads != nil && budget * counts.count < all
            }
        }
        rows = rows.map { $0 + added }
        var bytes = 0
        for (count, group) in Dictionary(grouping: rows, by: { $0 }) {
            bytes += try group.count * state.slot.byteCount(ofRows: count, aged: true)
        }
        let sum = rows.reduce(0, +)
        if isExpected {
            let capacity = Double(KVPage.rowCapacity)
            let pages = rows.reduce(0.0) { $0 + (Double($1) / capacity).rounded(.up) }
            // A page of every head is filled in part, by any number of rows alike.
            let expected = Double(sum) / capacity + Double(rows.count) * (capacity - 1) / (2 * capacity)
            bytes = Int(Double(bytes) * expected / max(pages, 1))
        }
        return (Double(sum), bytes, isExpected)
    }

    /// Floats that attention of some tokens of a prompt takes from a workspace beside its output, one piece after the
    /// other.
    ///
    /// - Parameters:
    ///   - tokens: that attend.
    ///   - rows: that are cached, these tokens included.
    ///   - promptLength: tokens of the whole prompt.
    package func workspacePieces(tokens: Int, rows: Int, of promptLength: Int) -> [Int] {
        guard let shape = layout.layers.first(where: { $0.content != .state }) else { return [] }
        let needs = policy.evicts ? policy.needs(promptLength: promptLength) : KVEvidence()
        let vectors = tokens * shape.headCount
        var pieces = format.isRotated ? [vectors * shape.keySize] : []
        if needs.needsNormalizers { pieces.append(vectors) }
        if needs.columnSums, let scored = scoreLimits.tokens(of: tokens, rows: rows, shape) {
            pieces.append(scored * shape.headCount * rows)
        } else if needs.columnSums || needs.tail.map({ $0.firstPosition < rows }) == true {
            pieces.append(shape.headCount * rows)
        }
        return pieces
    }
}
