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

    /// A token, and what becomes of it and the next one.
    private struct Place {
        var symbol: TokenID
        var rank = UInt32.max
        var result: TokenID = -1

        /// Asks for the merge with the token behind.
        @inline(__always)
        mutating func refresh(_ next: TokenID, _ probe: MergeTable.Probe) {
            let merge = probe.merge(symbol, next)
            rank = merge?.rank ?? .max
            result = merge?.id ?? -1
        }
    }

    /// The tokens to merge; fill before ``merge(_:)`` and read after.
    var symbols: [TokenID] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap = MinimumHeap<Candidate>()

    /// Replaces ``symbols`` by what `table` makes of them.
    mutating func merge(_ table: MergeTable) {
        guard symbols.count > 1 else { return }
        table.withProbe { probe in
            if symbols.count <= Self.scanLimit {
                mergeByScanning(probe)
            } else {
                mergeByHeap(probe)
            }
        }
    }

    private mutating func mergeByScanning(_ probe: MergeTable.Probe) {
        withUnsafeTemporaryAllocation(of: Place.self, capacity: symbols.count) { buffer in
            guard let places = buffer.baseAddress else { return }
            for (index, symbol) in symbols.enumerated() {
                (places + index).initialize(to: Place(symbol: symbol))
                if index > 0 { places[index - 1].refresh(symbol, probe) }
            }
            let count = Self.scan(places, symbols.count, probe)
            symbols.removeLast(symbols.count - count)
            for index in 0..<count { symbols[index] = places[index].symbol }
        }
    }

    /// Merges in place; the number of tokens left. The last place never merges.
    private static func scan(
        _ places: UnsafeMutablePointer<Place>, _ total: Int, _ probe: MergeTable.Probe
    ) -> Int {
        var count = total
        while true {
            var best = 0
            var lowest = UInt32.max
            for index in 0..<count - 1 where places[index].rank < lowest {
                lowest = places[index].rank
                best = index
            }
            guard lowest != .max else { return count }
            places[best].symbol = places[best].result
            count -= 1
            for index in best + 1..<max(count, best + 1) { places[index] = places[index + 1] }
            if best > 0 { places[best - 1].refresh(places[best].symbol, probe) }
            if best + 1 < count {
                places[best].refresh(places[best + 1].symbol, probe)
            } else {
                places[best].rank = .max
            }
        }
    }

    private mutating func mergeByHeap(_ probe: MergeTable.Probe) {
        let count = symbols.count
        next = (1...count).map { Int32($0 == count ? -1 : $0) }
        previous = (0..<count).map { Int32($0 - 1) }
        heap.removeAll()
        for index in 0..<count - 1 { push(index, probe) }
        while let top = heap.pop() {
            let left = Int(top.position)
            guard symbols[left] >= 0, next[left] >= 0 else { continue }
            let right = Int(next[left])
            guard probe.merge(symbols[left], symbols[right])?.id == top.id else { continue }
            symbols[left] = top.id
            symbols[right] = -1
            next[left] = next[right]
            if next[right] >= 0 {
                previous[Int(next[right])] = Int32(left)
                push(left, probe)
            }
            if previous[left] >= 0 { push(Int(previous[left]), probe) }
        }
        symbols.removeAll { $0 < 0 }
    }

    /// Queues the pair that starts at `position` if it merges.
    private mutating func push(_ position: Int, _ probe: MergeTable.Probe) {
        let right = Int(next[position])
        guard let merge = probe.merge(symbols[position], symbols[right]) else { return }
        heap.push(Candidate(rank: merge.rank, position: Int32(position), id: merge.id))
    }
}
