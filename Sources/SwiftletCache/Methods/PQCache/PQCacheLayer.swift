import CSwiftletKernels
package import SwiftletTensor

/// What PQCache knows of one layer of one sequence: an index per KV head, and how much to read.
///
/// A row is a place in the cache, in the order of positions: `sinks`, candidates, window, and last the row of
/// the token that asks. Copies share the indexes until one of them changes.
package struct PQCacheLayer: Sendable {
    package let settings: PQCacheSettings
    /// What a step reads; of the prompt that was indexed, whatever follows.
    package let budget: PQCacheBudget
    /// The indexes by KV head; token 0 is the first row behind the sinks.
    package private(set) var heads: [PQIndex]
    /// Tokens that the centroids were trained on.
    package private(set) var trainedCount: Int

    /// Bytes of all indexes.
    package var heldBytes: Int { heads.reduce(0) { $0 + $1.heldBytes } }

    /// The rows between sinks and window when `cached` rows are older than the one that asks.
    package func candidates(cached: Int) -> Range<Int> {
        budget.sinks..<budget.sinks + budget.candidates(cached: cached)
    }

    /// Forgets the rows from `row` on.
    ///
    /// - Returns: whether the index is still that of a prompt; it is not if rows are gone that it was trained on.
    package mutating func truncate(to row: Int) -> Bool {
        for head in heads.indices { heads[head].truncate(to: max(row - settings.sinks, 0)) }
        return row >= settings.sinks + trainedCount
    }

    /// What a token in row `cached` attends to; `nil` is all rows, where no more are candidates than are fetched. Then
    /// rows that have left the window get their codes here.
    mutating func plan(slot: KVSlot, cached: Int, compute: Compute) -> KVRowPlan? {
        let candidates = candidates(cached: cached)
        guard candidates.count <= budget.fetched else {
            return KVRowPlan(chosen: budget.sinks + budget.fetched, tail: candidates.upperBound)
        }
        let kernels = compute.kernels
        heads.withUnsafeMutableBufferPointer { heads in
            compute.run(heads.count) { head, _ in heads[head].encode(slot, head, rows: candidates, kernels) }
        }
        return nil
    }

    /// The rows that the queries of every KV head attend to: sinks, the fetched ones, the window, and the row of
    /// the token that asks; `nil` is all of them, where no more are candidates than are fetched.
    ///
    /// Rows that have left the window get codes first.
    ///
    /// - Parameters:
    ///   - queries: `[heads, keySize]`, rotated, of the token in row `cached`.
    ///   - cached: rows older than the token that asks.
    ///   - scratches: one per KV head.
    ///   - others: tasks that the threads do beside choosing.
    ///   - body: does one of them.
    package mutating func choices(
        queries: UnsafePointer<Float>, scale: Float, slot: KVSlot, cached: Int,
        scratches: inout [PQIndex.Scratch], compute: Compute, beside others: Int = 0,
        _ body: (_ task: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void = { _, _ in }
    ) -> [KVRowChoice]? {
        guard plan(slot: slot, cached: cached, compute: compute) != nil else { return nil }
        let candidates = candidates(cached: cached)
        let (budget, kernels, group) = (budget, compute.kernels, slot.shape.group)
        return heads.withUnsafeMutableBufferPointer { heads in
            scratches.withUnsafeMutableBufferPointer { scratches in
                compute.map(heads.count, beside: others, body) { head -> KVRowChoice in
                    heads[head].encode(slot, head, rows: candidates, kernels)
                    return heads[head].choice(
                        budget, candidates, queries: queries + head * group * slot.shape.keySize,
                        group: group, scale: scale, scratch: &scratches[head], kernels: kernels)
                }
            }
        }
    }
}

extension PQIndex {
    /// Gives codes to the rows of a KV head that have left the window.
    fileprivate mutating func encode(_ slot: KVSlot, _ head: Int, rows: Range<Int>, _ kernels: Kernels) {
        let first = rows.lowerBound + count
        guard first < rows.upperBound else { return }
        let size = slot.shape.keySize
        var keys = [Float](repeating: 0, count: (rows.upperBound - first) * size)
        slot.readKeys(first..<rows.upperBound, ofHead: head, into: &keys, kernels: kernels)
        keys.withUnsafeBufferPointer { keys in
            guard let keys = keys.baseAddress else { return }
            for row in 0..<rows.upperBound - first { append(keys + row * size, kernels: kernels) }
        }
    }

    /// Sinks and fetched rows, and where the window begins.
    fileprivate mutating func choice(
        _ budget: PQCacheBudget, _ candidates: Range<Int>, queries: UnsafePointer<Float>, group: Int,
        scale: Float, scratch: inout Scratch, kernels: Kernels
    ) -> KVRowChoice {
        let total = budget.sinks + budget.fetched
        let rows = [UInt32](unsafeUninitializedCapacity: total + Kernels.collectSlack) { rows, count in
            guard let base = rows.baseAddress else { return }
            for row in 0..<budget.sinks { base[row] = UInt32(row) }
            select(
                budget.fetched, queries: queries, group: group, scale: scale, candidates: candidates.count,
                first: budget.sinks, into: base + budget.sinks, scratch: &scratch, kernels: kernels)
            count = total
        }
        return KVRowChoice(rows: rows, tail: candidates.upperBound)
    }
}

// MARK: Training

extension PQCacheLayer {
    /// Indexes the first `length` rows of several layers, on all threads.
    ///
    /// - Parameters:
    ///   - slots: the layers' rows, in the order of positions.
    ///   - length: tokens of the prompt, all of which are in every slot.
    ///   - budget: what a step reads; `nil` follows from `length`.
    ///   - initialRows: where centroids start, counted from the first token behind the sinks; `nil` draws them.
    /// - Returns: a layer per slot, or `nil` where the prompt is too short for clusters.
    /// - Complexity: `iterations × length × keySize × clusters` multiply-adds per KV head; `length × keySize`
    ///   floats per thread.
    package static func index(
        _ slots: [KVSlot], length: Int, settings: PQCacheSettings, budget: PQCacheBudget? = nil,
        initialRows: [Int]? = nil, compute: Compute
    ) -> [PQCacheLayer]? {
        guard let budget = budget ?? settings.budget(promptLength: length) else { return nil }
        let count = length - settings.sinks
        precondition(count >= settings.clusters, "\(count) tokens for \(settings.clusters) clusters")
        let rows = initialRows ?? PQCacheSettings.draw(settings.clusters, of: count, seed: settings.seed)
        let tasks = slots.indices.flatMap { slot in
            (0..<slots[slot].shape.kvHeadCount).flatMap { head in
                (0..<settings.subspaces).map { (slot: slot, head: head, subspace: $0) }
            }
        }
        let parts = compute.map(tasks.count) { task in
            let (slot, head, subspace) = tasks[task]
            let size = slots[slot].shape.keySize
            let width = size / settings.subspaces
            var keys = [Float](repeating: 0, count: count * size)
            slots[slot].readKeys(settings.sinks..<length, ofHead: head, into: &keys, kernels: compute.kernels)
            return keys.withUnsafeBufferPointer { keys in
                KMeans(
                    points: keys.baseAddress.unsafelyUnwrapped + subspace * width, stride: size, count: count,
                    size: width, initialRows: rows, limits: settings.limits, kernels: compute.kernels)
            }
        }
        var next = 0
        return slots.map { slot in
            let shape = PQIndex.Shape(
                size: slot.shape.keySize, subspaces: settings.subspaces, bits: settings.bits)
            let heads = (0..<slot.shape.kvHeadCount).map { _ in
                let trained = parts[next..<next + settings.subspaces]
                next += settings.subspaces
                return PQIndex(shape, centroids: trained.flatMap(\.centroids), codes: trained.map(\.labels))
            }
            return PQCacheLayer(settings: settings, budget: budget, heads: heads, trainedCount: count)
        }
    }
}

extension PQCacheSettings {
    /// `count` distinct numbers below `limit`, ascending, the same for the same seed.
    ///
    /// Source: Floyd's sampling, in Bentley and Floyd, 1987, "Programming pearls: a sample of brilliance".
    static func draw(_ count: Int, of limit: Int, seed: UInt64) -> [Int] {
        precondition(count <= limit, "\(count) distinct numbers below \(limit)")
        var state = seed
        var drawn: Set<Int> = []
        for last in limit - count..<limit {
            state &+= 0x9E37_79B9_7F4A_7C15
            let mixed = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
            let number = Int(((mixed ^ mixed >> 27) >> 11) % UInt64(last + 1))
            if !drawn.insert(number).inserted { drawn.insert(last) }
        }
        return drawn.sorted()
    }
}

extension Compute {
    /// The results of `count` tasks, in order, computed on all threads.
    func map<Result>(_ count: Int, _ body: (Int) -> Result) -> [Result] {
        map(count, beside: 0, { _, _ in }, body: body)
    }

    /// The results of `count` tasks, in order, while `others` follow them that have none.
    func map<Result>(
        _ count: Int, beside others: Int,
        _ other: (_ task: Int, _ scratch: UnsafeMutablePointer<Float>) -> Void, body: (Int) -> Result
    ) -> [Result] {
        var results = [Result?](repeating: nil, count: count)
        results.withUnsafeMutableBufferPointer { results in
            run(count + others) { task, scratch in
                if task < count {
                    results[task] = body(task)
                } else {
                    other(task - count, scratch)
                }
            }
        }
        return results.compactMap { $0 }
    }
}

extension KVSlot {
    /// Reads the keys of some rows of one KV head as floats, `[rows, keySize]`.
    func readKeys(
        _ rows: Range<Int>, ofHead head: Int, into keys: UnsafeMutablePointer<Float>, kernels: Kernels
    ) {
        withRows(ofHead: head) { kv in
            precondition(rows.upperBound <= kv.row_count, "rows \(rows) of \(kv.row_count)")
            var row = rows.lowerBound
            while row < rows.upperBound {
                let (page, offset) = row.quotientAndRemainder(dividingBy: Kernels.pageRows)
                let count = min(Kernels.pageRows - offset, rows.upperBound - row)
                let stored = kv.pages[page]
                kernels.dequantize(
                    stored.key_format, stored.keys + offset * rowBytes(stored.key_format, kv.key_size),
                    into: keys + (row - rows.lowerBound) * kv.key_size, count: count * kv.key_size)
                row += count
            }
        }
    }
}

/// Bytes of a row of `size` numbers.
private func rowBytes(_ format: sl_format, _ size: Int) -> Int {
    size / sl_block_elements(format) * sl_block_bytes(format)
}
