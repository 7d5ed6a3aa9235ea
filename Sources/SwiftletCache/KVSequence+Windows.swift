import SwiftletTensor

/// Layers with a sliding window keep only what a later query can see.
///
/// Rows leave a block of ``Kernels/blockRows`` at a time, so that what stays lies in the same blocks and attention gives
/// the same bits as if nothing had left.
extension KVSequence {
    /// Drops the blocks of rows that have left every later query's window.
    ///
    /// - Complexity: O(layers × KV heads) while no block has; otherwise the positions that stay are moved.
    package func dropUnseenRows() {
        guard !format.ages else { return }
        for index in states.indices {
            guard let window = states[index].slot.shape.window, !policy.evicts else { continue }
            states[index].slot.dropBlocks(before: length - window + 1)
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

extension KVSlot {
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
