package import SwiftletTensor

/// Layers with a sliding window keep only what a later query can see.
///
/// Rows leave a block of ``Kernels/blockRows`` at a time, so that what stays lies in the same blocks and attention gives
/// the same bits as if nothing had left.
extension KVSequence {
    /// Drops the blocks of rows that have left every later query's window, and the pages of states that no later token sees.
    ///
    /// - Complexity: O(layers × KV heads) while no block has; otherwise the positions that stay are moved.
    package func dropUnseenRows() throws(SwiftletError) {
        for index in states.indices where !policy.evicts || states[index].policyIndex == nil {
            try states[index].slot.dropUnseenRows(at: length)
        }
    }

    /// Whether ``truncate(to:)`` leaves every row that the next query at `position` sees: not if its window reaches back
    /// to rows that have left.
    package func canTruncate(to position: Int) -> Bool {
        position == 0 || position == length
            || states.allSatisfy { state in
                guard let window = state.slot.shape.window else { return true }
                return state.slot.firstPosition <= max(position - window + 1, 0)
            }
    }
}

extension KVLayerState {
    /// Most bytes that the rows of a window ever take after a prompt; those of so many tokens where none leaves, because
    /// they age.
    func windowBytes(of count: Int) throws(SwiftletError) -> Int {
        let rows = slot.movesRowsSingly ? slot.mostRows(reading: .max, chunk: 1) : count
        return try slot.shape.kvHeadCount * slot.byteCount(ofRows: rows, aged: false)
    }
}

extension KVSlot {
    /// Rows that leave together.
    private var rowsLeaving: Int { shape.content == .state ? KVPage.rowCapacity : Kernels.blockRows }

    /// Rows of a KV head that stay of a text of so many tokens.
    func rowsKept(of count: Int) -> Int {
        guard let window = shape.window, movesRowsSingly else { return count }
        return count - max(count - window + 1, 0) / rowsLeaving * rowsLeaving
    }

    /// Most rows of a KV head while a text is read, however it is cut into chunks of at most so many tokens.
    func mostRows(reading count: Int, chunk: Int) -> Int {
        guard let window = shape.window, movesRowsSingly else { return count }
        let kept = window - 1 + rowsLeaving - 1
        // Of the states of a chunk only those are added that stay.
        return min(kept + (shape.content == .state ? min(chunk, kept) : chunk), count)
    }

    /// Drops the rows that no token from `position` on sees.
    mutating func dropUnseenRows(at position: Int) throws(SwiftletError) {
        guard let window = shape.window, movesRowsSingly else { return }
        if shape.content == .state {
            try dropStates(from: 0, seenFrom: position)
        } else {
            dropBlocks(before: position - window + 1)
        }
    }

    /// The position of the oldest row, 0 if there is none.
    var firstPosition: Int { shape.kvHeadCount > 0 ? Int(oldestPosition ?? 0) : 0 }

    /// Drops the blocks all of whose rows lie before a position.
    mutating func dropBlocks(before position: Int) {
        changeHeads { $0.dropBlocks(before: position) }
    }
}

extension KVHead {
    /// Drops the leading blocks all of whose rows lie before a position; rows ascend.
    mutating func dropBlocks(before position: Int) {
        let size = Kernels.blockRows
        var count = 0
        while count + size <= rowCount, positions[count + size - 1] < position { count += size }
        if count > 0 { dropFirst(count) }
    }
}
