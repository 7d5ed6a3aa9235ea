/// Applies merges to a list of tokens, lowest rank first and leftmost of equals, until none applies.
///
/// It keeps its buffers between words. Short words are scanned, long ones use a heap over a linked list.
///
/// - Complexity: O(n²) up to ``scanLimit`` tokens with a tiny constant, O(n log n) beyond.
struct BytePairMerger {
    private static let scanLimit = 32

    private struct Candidate: Comparable {
        var rank: UInt32
        var position: Int32
        var id: TokenID

        static func < (a: Candidate, b: Candidate) -> Bool {
            a.rank != b.rank ? a.rank < b.rank : a.position < b.position
        }
    }

    /// The tokens to merge; fill before ``merge(_:)`` and read after.
    var symbols: [TokenID] = []
    private var ranks: [UInt32] = []
    private var results: [TokenID] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap = MinimumHeap<Candidate>()

    /// Replaces ``symbols`` by what `table` makes of them.
    mutating func merge(_ table: MergeTable) {
        guard symbols.count > 1 else { return }
        if symbols.count <= Self.scanLimit {
            mergeByScanning(table)
        } else {
            mergeByHeap(table)
        }
    }

    private mutating func mergeByScanning(_ table: MergeTable) {
        ranks.removeAll(keepingCapacity: true)
        results.removeAll(keepingCapacity: true)
        for index in 0..<symbols.count - 1 {
            let merge = table.merge(symbols[index], symbols[index + 1])
            ranks.append(merge?.rank ?? .max)
            results.append(merge?.id ?? -1)
        }
        while true {
            var best = 0
            var lowest = UInt32.max
            for index in 0..<ranks.count where ranks[index] < lowest {
                lowest = ranks[index]
                best = index
            }
            guard lowest != .max else { return }
            symbols[best] = results[best]
            symbols.remove(at: best + 1)
            ranks.remove(at: best)
            results.remove(at: best)
            if best > 0 { refresh(best - 1, table) }
            if best < ranks.count { refresh(best, table) }
        }
    }

    private mutating func refresh(_ index: Int, _ table: MergeTable) {
        let merge = table.merge(symbols[index], symbols[index + 1])
        ranks[index] = merge?.rank ?? .max
        results[index] = merge?.id ?? -1
    }

    private mutating func mergeByHeap(_ table: MergeTable) {
        let count = symbols.count
        next = (1...count).map { Int32($0 == count ? -1 : $0) }
        previous = (0..<count).map { Int32($0 - 1) }
        heap.removeAll()
        for index in 0..<count - 1 { push(index, table) }
        while let top = heap.pop() {
            let left = Int(top.position)
            guard symbols[left] >= 0, next[left] >= 0 else { continue }
            let right = Int(next[left])
            guard table.merge(symbols[left], symbols[right])?.id == top.id else { continue }
            symbols[left] = top.id
            symbols[right] = -1
            next[left] = next[right]
            if next[right] >= 0 {
                previous[Int(next[right])] = Int32(left)
                push(left, table)
            }
            if previous[left] >= 0 { push(Int(previous[left]), table) }
        }
        symbols.removeAll { $0 < 0 }
    }

    /// Queues the pair that starts at `position` if it merges.
    private mutating func push(_ position: Int, _ table: MergeTable) {
        let right = Int(next[position])
        guard let merge = table.merge(symbols[position], symbols[right]) else { return }
        heap.push(Candidate(rank: merge.rank, position: Int32(position), id: merge.id))
    }
}
