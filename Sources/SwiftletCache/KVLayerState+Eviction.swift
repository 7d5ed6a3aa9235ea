import SwiftletTensor

/// How a policy that drops a row per token does so: the last row takes the place of the one that leaves, which
/// moves one row instead of all that follow.
///
/// Rows then lie in any order. Whatever needs them ascending calls ``KVLayerState/restoreOrder()`` first.
extension KVLayerState {
    /// More rows than this leave at once, in order, at less cost.
    static let mostSingleRows = 8

    /// Drops the rows that exceed `budgets`, rows per KV head: the same ones that a selection would.
    ///
    /// - Returns: false, doing nothing, if several rows have the same position.
    /// - Complexity: O(rows) per KV head and row that leaves; two rows of the cache are moved.
    mutating func evict(to budgets: [Int], _ step: KVStep) throws(SwiftletError) -> Bool {
        while true {
            let victims = victims(budgets, step)
            guard victims.contains(where: { $0 != .none }) else { return true }
            guard !victims.contains(.unclear) else { return false }
            if merger != nil { try fold(victims.map(\.row), step) }
            try remove(victims.map(\.row))
        }
    }

    /// Drops a row of every KV head, or none; the last one takes its place.
    mutating func remove(_ rows: [Int?]) throws(SwiftletError) {
        for (head, row) in rows.enumerated() {
            guard let row else { continue }
            let rowCount = slot.rowCount(ofHead: head)
            try slot.remove(row, ofHead: head)
            record.remove(row, ofHead: head, rowCount: rowCount)
        }
    }

    /// What leaves a KV head next.
    private enum Victim: Hashable {
        case none
        case row(Int)
        case unclear

        var row: Int? {
            if case .row(let row) = self { row } else { nil }
        }
    }

    private mutating func victims(_ budgets: [Int], _ step: KVStep) -> [Victim] {
        guard budgets.indices.contains(where: { slot.rowCount(ofHead: $0) > budgets[$0] }), let selector
        else { return [] }
        let (ranking, view) = (selector.ranking, view(step))
        let scores = ranking.isRecorded ? self.selector?.scores(of: view) ?? [] : []
        return budgets.enumerated().map { head, budget in
            guard slot.rowCount(ofHead: head) > budget else { return .none }
            let forced = selector.forced(budget: budget, phase: step.phase)
            let free = slot.withRows(ofHead: head) {
                KVFreeRows($0.positionBuffer, forced: forced, budget: budget, step.kernels)
            }
            guard let free else { return .unclear }
            switch ranking {
            case .ordered: return .unclear
            case .age: return victim(head) { rows in free.oldest(rows) }
            case .fixed(let score):
                updateNumbers(head, step, score)
                let scores = record.rowNumbers[head]
                return victim(head) { rows in
                    step.kernels.weakestRow(scores, positions: rows, in: free.positions)
                }
            case .recorded:
                return victim(head) { rows in
                    step.kernels.weakestRow(scores[head], positions: rows, in: free.positions)
                }
            }
        }
    }

    private func victim(_ head: Int, _ find: (_ positions: UnsafeBufferPointer<Int32>) -> Int?) -> Victim {
        slot.withRows(ofHead: head) { find($0.positionBuffer) }.map(Victim.row) ?? .unclear
    }

    /// Folds rows into others before they leave.
    private mutating func fold(_ evicted: [Int?], _ step: KVStep) throws(SwiftletError) {
        for head in evicted.indices {
            updateNumbers(head, step) { rows, head, layer in
                KeyNormSelector.norms(of: rows, ofHead: head, in: layer)
            }
        }
        for (head, rewrite) in rewrites(evicted, step).enumerated() {
            guard let rewrite else { continue }
            let row = rewrite.row
            try slot.rewrite(head: head, row: row, key: rewrite.key, value: rewrite.value)
            let lengths = KeyNormSelector.norms(of: row..<row + 1, ofHead: head, in: view(step))
            record.setRowNumber(lengths[0], ofHead: head, row: row)
        }
    }

    /// What the merger makes of rows that take in others; its view is gone when this returns, so that no one shares the
    /// rows any more.
    private mutating func rewrites(_ evicted: [Int?], _ step: KVStep) -> [KVRewrite?] {
        guard var merger else { return [] }
        self.merger = nil  // so that `merger` is the only reference
        defer { self.merger = merger }
        return merger.fold(evicted, in: view(step))
    }

    /// Computes the numbers of rows that have been added since the last step.
    private mutating func updateNumbers(_ head: Int, _ step: KVStep, _ numbers: KVRowRanking.FixedScore) {
        let rowCount = slot.rowCount(ofHead: head)
        let known = record.rowNumbers[head].count
        guard known < rowCount else { return }
        record.addRowNumbers(numbers(known..<rowCount, head, view(step)), ofHead: head)
    }
}

/// The rows of one KV head that may leave: all but the oldest and newest ones that are kept in any case.
struct KVFreeRows: Hashable {
    /// Where they lie in the sequence.
    let positions: ClosedRange<Int32>

    /// - Parameters:
    ///   - all: positions of all rows, in any order.
    ///   - forced: what is kept of `budget` rows.
    /// - Returns: `nil` if no row is free, or if equal positions leave open which.
    init?(_ all: UnsafeBufferPointer<Int32>, forced: KVForcedRows, budget: Int, _ kernels: Kernels) {
        let oldest = min(forced.oldest, budget)
        let newest = min(forced.newest, budget - oldest)
        guard let last = all.last,
            let first = Self.bound(all, above: oldest, guess: oldest, kernels),
            let end = Self.bound(
                all, above: all.count - newest, guess: Int(last) + 1 - newest, kernels),
            first < end
        else { return nil }
        positions = Int32(clamping: first)...Int32(clamping: end - 1)
    }

    /// The free row at the lowest position.
    func oldest(_ all: UnsafeBufferPointer<Int32>) -> Int? {
        var lowest = Int32.max
        for position in all { lowest = min(lowest, position < positions.lowerBound ? .max : position) }
        return positions.contains(lowest) ? all.firstIndex(of: lowest) : nil
    }

    /// A number that exactly `count` positions are below.
    private static func bound(
        _ all: UnsafeBufferPointer<Int32>, above count: Int, guess: Int, _ kernels: Kernels
    ) -> Int? {
        var (low, high) = (Int(Int32.min), Int(Int32.max) + 1)
        if count == 0 { return low }
        if count == all.count { return high }
        var bound = min(max(guess, low), high)
        while low <= high {
            let found = bound > Int32.max ? all.count : kernels.count(all, below: Int32(bound))
            if found == count { return bound }
            if found < count { low = bound + 1 } else { high = bound - 1 }
            bound = (low + high) / 2
        }
        return nil
    }
}
