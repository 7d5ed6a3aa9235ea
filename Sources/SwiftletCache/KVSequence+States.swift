package import SwiftletTensor

/// Layers that keep states instead of keys and values: every token leaves one row, and a token sees those of the last
/// few tokens, as a short convolution does.
///
/// States go through the cache as rows with a window do, so that forks, batches, chunks, speculation and snapshots need
/// nothing of their own.
extension KVSequence {
    /// Reads the states that a token sees beside its own, `[window − 1, size]`, the oldest first; zeros stand before the
    /// first token.
    ///
    /// - Parameters:
    ///   - position: of the token, behind all that are cached.
    package func readStates(layer: Int, before position: Int32, into target: UnsafeMutablePointer<Float>) {
        let slot = slot(of: layer)
        let (size, window) = (slot.shape.keySize, slot.shape.window ?? 1)
        let positions = slot.positions(ofHead: 0)
        for distance in 1..<max(window, 1) {
            let state = target + (window - 1 - distance) * size
            let place = Int(position) - distance
            guard place >= 0 else {
                state.update(repeating: 0, count: size)
                continue
            }
            let row = positions.count - distance
            precondition(
                row >= 0 && positions[row] == place, "layer \(layer) holds no state of token \(place)")
            slot.readState(row, into: state)
        }
    }

    /// Adds the states of adjacent tokens that later ones will see, `[tokens, size]`.
    ///
    /// - Parameter phase: tokens to verify leave all of theirs, because they may be taken back.
    package func append(
        states rows: UnsafePointer<Float>, layer: Int, positions: UnsafeBufferPointer<Int32>, phase: KVPhase
    ) throws(SwiftletError) {
        precondition(layout.ownsSlot(layer), "layer \(layer) borrows its cache")
        guard let last = positions.last else { return }
        let index = stateIndices[layer]
        var skipped = 0
        if phase != .verify {
            let first = states[index].slot.firstState(seenFrom: Int(last) + 1)
            skipped = positions.firstIndex { $0 >= first } ?? positions.count
            // Of a prompt that goes layer by layer, earlier tiles are not needed any more; what was there before it is,
            // because the prompt may fail.
            try states[index].slot.dropStates(from: length, seenFrom: Int(last) + 1)
        }
        let kept = UnsafeBufferPointer(rebasing: positions[skipped...])
        let size = states[index].slot.shape.keySize
        try states[index].slot.append(
            keys: rows + skipped * size, values: rows, positions: kept)
        if phase == .decode { noteRead(layer: layer, position: last) }
    }
}

extension KVSlot {
    /// The first position whose state stays when the next token stands at `position`: the first of a page, so that what
    /// is held does not depend on how a text was cut.
    func firstState(seenFrom position: Int) -> Int {
        let seen = max(position - (shape.window ?? position) + 1, 0)
        return seen / KVPage.rowCapacity * KVPage.rowCapacity
    }

    /// Drops the states at `start` and later that no token from `position` on sees.
    ///
    /// - Complexity: O(1) if there are none; otherwise the states that stay are moved, once per page.
    mutating func dropStates(from start: Int, seenFrom position: Int) throws(SwiftletError) {
        let first = firstState(seenFrom: position)
        let positions = positions(ofHead: 0)
        guard let oldest = positions.first, max(Int(oldest), start) < first,
            positions.contains(where: { $0 >= start && $0 < first })
        else { return }
        try keep(.allHeads(positions.indices.filter { positions[$0] < start || positions[$0] >= first }))
    }

    /// Reads a state.
    fileprivate func readState(_ row: Int, into target: UnsafeMutablePointer<Float>) {
        readKey(row, ofHead: 0, into: target)
    }
}
