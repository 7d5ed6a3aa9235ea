import SwiftletTensor

/// The newest queries of one layer, oldest first.
///
/// Up to half as many older ones stay a while, so that a new query does not move all the others.
struct QueryWindow {
    private let capacity: Int
    private let width: Int
    /// `[positions.count, width]`.
    private(set) var data: [Float] = []
    private(set) var positions: [Int32] = []

    /// - Parameters:
    ///   - capacity: queries that are wanted.
    ///   - width: floats per token, all heads together.
    init(capacity: Int, width: Int) {
        self.capacity = capacity
        self.width = width
    }

    /// Queries that can be asked for.
    var count: Int { min(positions.count, capacity) }

    /// Takes over the newest queries of another window.
    mutating func take(_ other: QueryWindow) {
        positions = other.positions.suffix(count(of: other))
        data = other.data.suffix(count(of: other) * width)
    }

    private func count(of other: QueryWindow) -> Int { min(other.count, capacity) }

    /// Queries that are held after so many came, `chunk` at a time.
    static func count(capacity: Int, tokens: Int, chunk: Int) -> Int {
        var count = 0
        guard capacity > 0 else { return 0 }
        for first in stride(from: 0, to: tokens, by: chunk) {
            let taken = min(chunk, tokens - first, capacity)
            if count + taken > capacity + capacity / 2 { count = capacity - taken }
            count += taken
        }
        return count
    }

    /// Adds queries, `[positions.count, width]`.
    mutating func add(_ queries: UnsafePointer<Float>, positions new: UnsafeBufferPointer<Int32>) {
        guard capacity > 0 else { return }
        let taken = min(new.count, capacity)
        if positions.count + taken > capacity + capacity / 2 { drop(to: capacity - taken) }
        data += UnsafeBufferPointer(start: queries + (new.count - taken) * width, count: taken * width)
        positions += new[(new.count - taken)...]
    }

    /// Forgets the queries from a position on.
    mutating func truncate(from position: Int32) {
        drop(to: capacity)  // what is left does not depend on when older queries were dropped
        let kept = positions.firstIndex { $0 >= position } ?? positions.count
        positions.removeSubrange(kept...)
        data.removeSubrange((kept * width)...)
    }

    /// Writes or reads the newest queries.
    mutating func code(_ state: inout KVStateCoder) throws(SwiftletError) {
        drop(to: capacity)
        try state.code(&positions, "queries", count: 0...capacity)
        let floats = positions.count * width
        try state.code(&data, "floats of queries", count: floats...floats)
    }

    private mutating func drop(to kept: Int) {
        let excess = positions.count - kept
        guard excess > 0 else { return }
        positions.removeFirst(excess)
        data.removeFirst(excess * width)
    }

    /// Lends the newest queries, `[count, width]`, and their positions.
    func lend(_ body: (UnsafePointer<Float>, UnsafePointer<Int32>) -> Void) {
        let first = positions.count - count
        data.withUnsafeBufferPointer { data in
            positions.withUnsafeBufferPointer { positions in
                guard let data = data.baseAddress, let positions = positions.baseAddress else { return }
                body(data + first * width, positions + first)
            }
        }
    }
}
