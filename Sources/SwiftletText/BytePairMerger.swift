/// Applies merges to a list of tokens, lowest rank first and leftmost of equals, until none applies.
///
/// It keeps its buffers between words. Short words are scanned, long ones use a heap over a linked list.
///
/// - Complexity: O(n²) up to ``scanLimit`` tokens with a tiny constant, O(n log n) beyond.
struct BytePairMerger {
    private static let scanLimit = 48

    private struct Candidate: Comparable {
        var rank: UInt32
        var position: Int32
        var id: TokenID

        static func < (a: Candidate, b: Candidate) -> Bool {
            a.rank != b.rank ? a.rank < b.rank : a.position < b.position
        }
    }

    /// A token in a linked list, and what becomes of it and the next one.
    private struct Place {
        /// The rank of the merge above the place, so that the least of all is the one to apply; ``done`` if none.
        var order = done
        var symbol: TokenID
        var result: TokenID = -1
        var previous: Int32
        var next: Int32

        static let done = UInt64.max
    }

    /// The tokens to merge; fill before ``merge(_:)`` and read after.
    var symbols: [TokenID] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap = MinimumHeap<Candidate>()

    /// Elements that the largest of its buffers has memory for.
    var capacity: Int { max(symbols.capacity, next.capacity, heap.capacity) }

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
                let place = Place(symbol: symbol, previous: Int32(index - 1), next: Int32(index + 1))
                (places + index).initialize(to: place)
            }
            places[symbols.count - 1].next = -1
            for index in 0..<symbols.count - 1 { Self.refresh(places, index, probe) }
            Self.scan(places, symbols.count, probe)
            symbols.removeAll(keepingCapacity: true)
            var index = 0
            while index >= 0 {
                symbols.append(places[index].symbol)
                index = Int(places[index].next)
            }
        }
    }

    /// Applies the merge of the lowest rank, the leftmost of equals, until there is none.
    private static func scan(_ places: UnsafeMutablePointer<Place>, _ count: Int, _ probe: MergeTable.Probe) {
        while true {
            var least = Place.done
            for index in 0..<count { least = min(least, places[index].order) }
            guard least != Place.done else { return }
            let left = Int(least & 0xFFFF_FFFF)
            let right = Int(places[left].next)
            places[left].symbol = places[left].result
            places[left].next = places[right].next
            places[right].order = Place.done
            if places[left].next >= 0 { places[Int(places[left].next)].previous = Int32(left) }
            refresh(places, left, probe)
            if places[left].previous >= 0 { refresh(places, Int(places[left].previous), probe) }
        }
    }

    /// Asks what becomes of a place and the next one.
    @inline(__always)
    private static func refresh(
        _ places: UnsafeMutablePointer<Place>, _ index: Int, _ probe: MergeTable.Probe
    ) {
        let next = Int(places[index].next)
        guard next >= 0, let merge = probe.merge(places[index].symbol, places[next].symbol) else {
            places[index].order = Place.done
            return
        }
        places[index].order = UInt64(merge.rank) << 32 | UInt64(index)
        places[index].result = merge.id
    }

    private mutating func mergeByHeap(_ probe: MergeTable.Probe) {
        let count = symbols.count
        next.removeAll(keepingCapacity: true)
        next.append(contentsOf: 1...Int32(count))
        next[count - 1] = -1
        previous.removeAll(keepingCapacity: true)
        previous.append(contentsOf: -1..<Int32(count - 1))
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
