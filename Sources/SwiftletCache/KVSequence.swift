public import SwiftletTensor

/// The cache of one sequence: a slot of rows for every layer that owns one, and what its policy needs to know.
///
/// Not safe for concurrent mutation; a scheduler gives each sequence to one thread at a time.
public final class KVSequence {
    /// Which layers store rows, and their shapes.
    public let layout: KVLayout
    /// How rows are stored.
    public let format: KVFormat
    /// The rotation of this sequence's keys and queries, fixed when its first prompt begins.
    public private(set) var rope: Rope
    /// The length of the prompt that the rotation was chosen for.
    private(set) var fittedLength = 0
    /// Where the pages come from.
    public let pool: KVPagePool
    /// Tokens seen, which is the position of the next one. Dropped rows still count.
    public private(set) var length = 0

    /// What adapters change of the model for this sequence; set before its first token, for rows are good for no other.
    package var weightChanges: WeightChanges?

    /// The most bytes of rows, positions and evidence that were ever held at once.
    public var peakBytes: Int { max(pastPeakBytes, heldBytes) }
    /// The most bytes when rows were added or dropped.
    var pastPeakBytes = 0
    /// Called for every row that takes in evicted ones.
    package var didMerge: ((_ layer: Int, _ head: Int, _ position: Int32) -> Void)?
    /// What attention of the last generated token read, by layer.
    public internal(set) var reads: [KVRead]

    /// How many scores attention keeps where weights are recorded; tests set others.
    var scoreLimits = ScoreLimits()
    let kernels: Kernels
    var states: [KVLayerState]  // of the layers that store rows
    let stateIndices: [Int]  // by layer, that of the layer whose rows it reads
    let policyStates: [Int]  // those whose rows a policy may drop
    var compressor: KVCompressor?  // nil for the full cache
    var retrieval: (any KVRetrieval)?
    var needs = KVEvidence() {
        didSet { for index in policyStates { states[index].record.change(to: needs) } }
    }
    let scale: Float

    /// An empty cache.
    ///
    /// - Parameters:
    ///   - layout: layers and their slots.
    ///   - format: number formats of rows.
    ///   - rope: rotation applied to queries and keys.
    ///   - scale: factor of `q·k` before the softmax.
    ///   - policy: what to keep, merge and drop. The caller has validated it and applied
    ///     its sharing and number format.
    ///   - pool: source of pages, shared between sequences.
    ///   - kernels: arithmetic for conversions and attention.
    /// - Throws: `.unsupported` if a head does not fill whole blocks of the format.
    package init(
        layout: KVLayout, format: KVFormat = .f16, rope: Rope, scale: Float,
        policy: KVPolicy = .full, pool: KVPagePool, kernels: Kernels
    ) throws(SwiftletError) {
        self.layout = layout
        self.format = policy.rotates ? format.rotated : format
        self.rope = rope
        self.scale = scale
        self.pool = pool
        self.kernels = kernels
        let evicts = policy.evicts
        stateIndices = layout.owners.map { owner in layout.storingLayers.firstIndex(of: owner) ?? 0 }
        states = []
        let policyLayers = layout.policyLayers
        policyStates = layout.storingLayers.indices.filter { policyLayers.contains(layout.storingLayers[$0]) }
        for layer in layout.storingLayers {
            let shape = layout.layers[layer]
            let policyIndex = policyLayers.firstIndex(of: layer)
            let evicts = evicts && policyIndex != nil
            states.append(
                KVLayerState(
                    layer: layer, policyIndex: policyIndex,
                    slot: try KVSlot(shape, format: self.format, pool: pool, kernels: kernels),
                    record: KVEvidenceRecord(KVEvidence(), shape: shape),
                    selector: evicts ? policy.selector : nil, merger: evicts ? policy.merger : nil))
        }
        reads = layout.layers.map { _ in KVRead() }
        compressor = evicts ? KVCompressor(policy) : nil
        retrieval = policy.retrieval
    }

    /// Another sequence with the same past; pages are shared until one of the two writes.
    ///
    /// - Parameter budget: the bound of the fork, if it is to finish a prompt that ``other`` has only read.
    package init(forking other: KVSequence, budget: KVBudget? = nil) {
        layout = other.layout
        format = other.format
        rope = other.rope
        fittedLength = other.fittedLength
        weightChanges = other.weightChanges
        pool = other.pool
        length = other.length
        kernels = other.kernels
        states = other.states
        stateIndices = other.stateIndices
        policyStates = other.policyStates
        reads = other.reads
        if let budget, var policy = other.compressor?.policy {
            policy.budget = budget
            compressor = policy.evicts ? KVCompressor(policy) : nil
        } else {
            compressor = other.compressor
        }
        retrieval = other.retrieval
        needs = other.needs
        scale = other.scale
    }

    /// Bytes of all rows, positions and evidence.
    public var heldBytes: Int { use.bytes }

    /// Rows held by one KV head of a layer; a borrower answers for the slot that it reads.
    public func rowCount(layer: Int, head: Int) -> Int { slot(of: layer).rowCount(ofHead: head) }

    /// The position of every row of one KV head of a layer, ascending.
    public func positions(layer: Int, head: Int) -> [Int32] {
        let slot = slot(of: layer)
        let positions = slot.positions(ofHead: head)
        return slot.isAscending ? positions : positions.sorted()
    }

    /// The slot that a layer reads.
    package func slot(of layer: Int) -> KVSlot { states[stateIndices[layer]].slot }

    /// Adds rows to an owner's slot.
    ///
    /// - Parameters:
    ///   - keys: `[tokens, kvHeads, keySize]`, rotated.
    ///   - values: `[tokens, kvHeads, valueSize]`.
    package func append(
        layer: Int, keys: UnsafePointer<Float>, values: UnsafePointer<Float>,
        positions: UnsafeBufferPointer<Int32>
    ) throws(SwiftletError) {
        precondition(layout.ownsSlot(layer), "layer \(layer) borrows its cache")
        try states[stateIndices[layer]].slot.append(keys: keys, values: values, positions: positions)
    }

    /// Replaces one row of a layer's slot; its position stays.
    package func rewrite(
        layer: Int, head: Int, row: Int, key: [Float], value: [Float]
    ) throws(SwiftletError) {
        try states[stateIndices[layer]].slot.rewrite(head: head, row: row, key: key, value: value)
    }

    /// Announces the length of a first prompt, by which some models choose their rotation; it stays until the sequence
    /// is empty again.
    package func fitRope(to count: Int) {
        guard rope.adapts, length == 0, states.allSatisfy({ $0.maximumRowCount == 0 }) else { return }
        rope = rope.fitted(to: count)
        fittedLength = count
    }

    /// Marks `count` tokens as seen, after they have been through all layers.
    package func advance(by count: Int) {
        length += count
        // A cache that only grows holds most now, whenever that is asked.
        if count > 1 || compressor != nil || format.ages { notePeak() }
    }

    /// Takes back the tokens from `position` on, as after a rejected speculation.
    ///
    /// Evidence goes with its rows and queries, but what the tokens added to the column sums of older rows and
    /// to query moments stays, and rows that a policy dropped meanwhile do not come back. Where that matters,
    /// try the tokens on a fork.
    package func truncate(to position: Int) throws(SwiftletError) {
        precondition(position <= length, "cannot truncate \(length) tokens to \(position)")
        notePeak()
        for index in states.indices { try states[index].truncate(to: position) }
        retrieval?.truncate(to: position)
        length = position
        if position == 0, let policy = compressor?.policy {
            compressor = KVCompressor(policy)
            for index in states.indices { states[index].forget(policy) }
        }
    }

    /// Brings the rows of all layers back to ascending positions.
    package func restoreOrder() throws(SwiftletError) {
        for index in states.indices { try states[index].restoreOrder() }
    }

    /// What a policy may see of a layer; one that borrows its rows has no evidence of its own.
    package func view(of layer: Int, phase: KVPhase) -> KVLayerView {
        let state = states[stateIndices[layer]]
        return KVLayerView(
            layer: layer, phase: phase, slot: state.slot,
            record: layout.ownsSlot(layer)
                ? state.record : KVEvidenceRecord(KVEvidence(), shape: layout.layers[layer]),
            scale: scale, rope: rope, kernels: kernels)
    }

    // MARK: Attention

    /// What ``KVSequence/attend(_:layer:phase:into:compute:workspace:)`` is asked: rotated queries of adjacent tokens.
    package struct Queries {
        /// `[tokens, heads, keySize]`.
        package let data: UnsafePointer<Float>
        /// Position of every token.
        package let positions: UnsafeBufferPointer<Int32>

        package init(data: UnsafePointer<Float>, positions: UnsafeBufferPointer<Int32>) {
            self.data = data
            self.positions = positions
        }
    }

    /// Whether what a policy wants to know is recorded about a layer.
    func isRecorded(_ layer: Int) -> Bool {
        layout.ownsSlot(layer) && states[stateIndices[layer]].policyIndex != nil
    }

    /// Records queries before rotation, if the policy wants their moments.
    package func record(unrotated queries: UnsafePointer<Float>, tokens: Int, layer: Int) {
        if needs.queryMoments, isRecorded(layer) {
            states[stateIndices[layer]].record.record(unrotated: queries, tokens: tokens, kernels)
        }
    }

    /// Attends to rows as they are stored: queries are rotated as keys are, the output as values are.
    func attendAsStored(
        _ queries: Queries, layer: Int, phase: KVPhase, into output: UnsafeMutablePointer<Float>,
        compute: Compute, workspace: Workspace
    ) {
        if phase == .decode,
            attendToChosen(queries, layer: layer, into: output, compute: compute, workspace: workspace)
        {
            return
        }
        if phase == .decode, let position = queries.positions.last {
            noteRead(layer: layer, position: position)
        }
        let step = AttentionStep(
            slot: slot(of: layer), shape: layout.layers[layer], queries: queries, scale: scale,
            compute: compute, workspace: workspace, limits: scoreLimits)
        guard !needs.isEmpty, isRecorded(layer) else {
            step.attend(into: output, normalizers: nil)
            return
        }
        let mark = workspace.mark
        defer { workspace.release(to: mark) }
        let normalizers =
            needs.needsNormalizers
            ? workspace.floats(queries.positions.count * layout.layers[layer].headCount) : nil
        let index = stateIndices[layer]
        states[index].record.record(rotated: queries.data, positions: queries.positions)
        let steps = phase == .decode && needs.rollingRows > 0
        if let normalizers, needs.columnSums || steps {
            let settled = states[index].selector?.settledRows ?? 0
            step.attend(
                into: output, normalizers: normalizers, from: settled, sums: needs.columnSums, steps: steps,
                recordingIn: &states[index].record)
        } else {
            step.attend(into: output, normalizers: normalizers)
        }
        if let normalizers, let tail = needs.tail, phase == .prefill {
            step.addTailSums(tail, to: &states[index].record, normalizers: normalizers)
        }
    }
}
