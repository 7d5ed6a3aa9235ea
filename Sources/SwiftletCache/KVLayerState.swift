import SwiftletTensor

/// What a sequence holds of one layer that stores rows: the rows, what was recorded about them, and what its policy
/// remembers.
///
/// A value that no other layer depends on, so that layers can be compressed on all threads.
struct KVLayerState {
    /// The layer's place in the plan.
    let layer: Int
    /// Its place among the layers that a policy drops rows of; `nil` where rows leave a window by themselves.
    let policyIndex: Int?
    var slot: KVSlot
    var record: KVEvidenceRecord
    /// What ranks the rows; `nil` if none is ever dropped.
    var selector: (any KVSelector)?
    /// What folds rows that leave into others.
    var merger: (any KVMerger)?

    /// Rows of every KV head.
    var rowCounts: [Int] { (0..<slot.shape.kvHeadCount).map(slot.rowCount(ofHead:)) }

    /// Most rows that a KV head holds.
    var maximumRowCount: Int { rowCounts.max() ?? 0 }

    /// Bytes of what was recorded and is remembered about the rows.
    var evidenceBytes: Int { record.heldBytes + (selector?.heldBytes ?? 0) }

    /// Bytes beside the rows that a generated token goes through.
    func bytesPerStep(_ policy: KVPolicy) -> Int {
        record.bytesPerStep + (selector?.bytesPerStep ?? 0) + comparedBytes(policy)
    }

    /// Bytes of the keys that a merger compares with a row that leaves.
    private func comparedBytes(_ policy: KVPolicy) -> Int {
        guard merger?.foldsSingleRows == true, policy.effectiveDecodeRule == .everyStep, slot.movesRowsSingly
        else { return 0 }
        return slot.keyBytes
    }

    /// What the rows of this layer need besides themselves: in any case, and for every token that is cached.
    func evidenceBytes(_ needs: KVEvidence) -> (fixed: Int, perToken: Int) {
        guard policyIndex != nil else { return (0, 0) }
        let record = needs.recordBytes(slot.shape)
        let numbers = merger != nil || selector?.ranking.isFixed == true ? MemoryLayout<Float>.stride : 0
        let perRow = (selector?.bytesPerRow ?? 0) + numbers
        return (record.fixed, record.perToken + perRow * slot.shape.kvHeadCount)
    }

    /// What a policy may see.
    func view(_ step: KVStep) -> KVLayerView {
        KVLayerView(
            layer: layer, phase: step.phase, slot: slot, record: record, scale: step.scale, rope: step.rope,
            kernels: step.kernels)
    }

    /// Brings the rows back to ascending positions.
    ///
    /// - Complexity: O(1) if they are; otherwise all rows are copied.
    mutating func restoreOrder() throws(SwiftletError) {
        guard let order = slot.ascendingOrder else { return }
        try slot.reorder(order)
        record.reorder(order)
    }

    /// Takes back the rows at `position` and later.
    mutating func truncate(to position: Int) throws(SwiftletError) {
        try restoreOrder()
        let kept = slot.rows(before: position)
        try slot.keep(kept)
        record.truncate(from: position, keeping: kept)
    }

    /// Forgets what a policy remembers, for a new first prompt.
    mutating func forget(_ policy: KVPolicy) {
        guard policyIndex != nil else { return }
        selector = policy.selector
        merger = policy.merger
    }

    /// Writes or reads what the policy remembers.
    mutating func codePolicy(_ coder: inout KVStateCoder) throws(SwiftletError) {
        try selector?.code(&coder)
        try merger?.code(&coder)
    }
}

/// What is the same for all layers of a sequence while they are compressed.
struct KVStep {
    let policy: KVPolicy
    let phase: KVPhase
    let rope: Rope
    /// Factor of `q·k` before the softmax.
    let scale: Float
    let kernels: Kernels
    /// Called for every row that takes in others.
    let didMerge: ((_ layer: Int, _ head: Int, _ position: Int32) -> Void)?
}
