package import SwiftletTensor

/// What attention of one token reads of one layer's cache.
public struct KVRead: Hashable, Sendable {
    /// Rows, summed over the KV heads.
    public var rows: Int
    /// Bytes of their keys and values, each once, and of what a policy keeps beside them and looks through for
    /// every token.
    public var bytes: Int

    /// Describes a read.
    public init(rows: Int = 0, bytes: Int = 0) {
        self.rows = rows
        self.bytes = bytes
    }

    /// The sum of two reads.
    public static func + (left: KVRead, right: KVRead) -> KVRead {
        KVRead(rows: left.rows + right.rows, bytes: left.bytes + right.bytes)
    }
}

/// What a sequence holds, in bytes.
public struct KVUse: Hashable, Sendable {
    /// Pages of keys and values.
    public var pages = 0
    /// Positions of rows.
    public var positions = 0
    /// What the policy recorded.
    public var evidence = 0
    /// An index of the rows, for a policy that fetches them.
    public var index = 0

    /// Everything.
    public var bytes: Int { pages + positions + evidence + index }
}

/// What a sequence holds and reads, counted and not estimated.
extension KVSequence {
    /// Notes what a generated token reads of a layer's cache, its own row included.
    ///
    /// Rows count once, even where evidence for the policy takes a second look at their keys; where the keys are
    /// compared with a row that leaves, these count again. Attention that is recorded at every token, or an index of
    /// the rows, counts as one table.
    ///
    /// - Parameter choices: the rows that a retrieval chose; `nil` is all that are visible.
    func noteRead(layer: Int, position: Int32, choices: [KVRowChoice]? = nil) {
        let slot = slot(of: layer)
        if let choices {
            let tables = retrieval?.tableBytes(ofLayer: layout.owners[layer]) ?? 0
            let rows = choices.enumerated().map { head, choice in
                choice.rows.count + slot.rowCount(ofHead: head) - choice.tail
            }
            reads[layer] = slot.read(rows: rows) + KVRead(bytes: tables)
        } else {
            let window = layout.layers[layer].window
            reads[layer] = slot.read(from: window.map { Int32(clamping: Int(position) - $0 + 1) })
            guard layout.ownsSlot(layer) else { return }
            let state = states[stateIndices[layer]]
            reads[layer].bytes += state.bytesPerStep(policy)
        }
    }

    /// What is held.
    public var use: KVUse {
        var use = KVUse()
        states.withUnsafeBufferPointer { states in  // in place: users of copies would have to be counted
            for index in states.indices {
                let positions = states[index].slot.positionBytes
                use.positions += positions
                use.pages += states[index].slot.heldBytes - positions
                use.evidence += states[index].evidenceBytes
            }
        }
        use.index = retrieval?.heldBytes ?? 0
        return use
    }

    func notePeak() { pastPeakBytes = max(pastPeakBytes, heldBytes) }

    /// The most bytes of rows, positions, evidence and index while a prompt of `count` more tokens is read.
    ///
    /// If the first prompt goes layer by layer, only one layer is ever full.
    ///
    /// - Throws: `.invalidArgument` if the budget is below what the policy keeps in any case.
    package func bytesNeeded(reading count: Int) throws(SwiftletError) -> Int {
        let needs = policy.evicts ? policy.needs(promptLength: length + count) : KVEvidence()
        let evidence = states.map { $0.evidenceBytes(needs) }
        let full = states.map {
            let all = $0.maximumRowCount + count
            return $0.slot.shape.content == .state ? $0.slot.mostRows(reading: all, chunk: count) : all
        }
        let whole = zip(states, evidence).map { rowBytes($0) + $1.perToken }
        let index = retrieval?.bytesNeeded(layers: states.map(\.slot.shape), length: length + count) ?? 0
        let fixed = evidence.reduce(index) { $0 + $1.fixed }
        guard length == 0, policy.wantsLayerMajor, policy.hiddenRows == nil else {
            return zip(full, whole).reduce(fixed) { $0 + $1.0 * $1.1 }
        }
        let rows = try budgetRows(promptLength: count)
        let budgets = try policy.layers.budgets(
            for: KVDemand(
                total: rows * policyStates.count, rowCounts: policyStates.map { full[$0] }, minimum: 0,
                statistics: policyStates.map { _ in 0 }))
        let settled = policy.decodeNeeds(promptLength: count)
        let kept = states.indices.map { index in
            let state = states[index]
            let rows = state.policyIndex.map { budgets[$0] } ?? state.slot.rowsKept(of: count)
            return min(rows, full[index]) * (rowBytes(state) + state.evidenceBytes(settled).perToken)
        }
        let atOnce = states.indices.map { full[$0] * whole[$0] - kept[$0] }.max() ?? 0
        return fixed + kept.reduce(atOnce, +)
    }

    /// Bytes of one cached token in all KV heads of a layer.
    private func rowBytes(_ state: KVLayerState) -> Int {
        let shape = state.slot.shape
        return (format.rowBytes(shape) ?? 0) + shape.kvHeadCount * MemoryLayout<Int32>.stride
    }

    /// Whether a first prompt goes through the model layer by layer, all its rows of activations at once.
    package var readsLayerMajor: Bool { length == 0 && policy.evicts && policy.wantsLayerMajor }

    /// Rows per KV head, on average over the heads of all layers that store rows; where some layers have a window, of the
    /// others.
    public var meanRowCount: Double {
        var (rows, heads) = (0, 0)
        for layer in layout.policyLayers {
            heads += layout.layers[layer].kvHeadCount
            rows += (0..<layout.layers[layer].kvHeadCount).reduce(0) { $0 + rowCount(layer: layer, head: $1) }
        }
        return heads > 0 ? Double(rows) / Double(heads) : 0
    }

    /// Whether rows may leave after every generated token, so that ``truncate(to:)`` does not bring back what was.
    package var dropsRowsInDecode: Bool {
        guard let policy = compressor?.policy, policy.selector != nil else { return false }
        return policy.effectiveDecodeRule != .append
    }

    /// Stands in for the evidence of tokens whose rows were made up; see ``KVEvidenceRecord``.
    package func substituteEvidence(layer: Int, positions: [Int32], normals: (inout [Float]) -> Void) {
        if !needs.isEmpty, isRecorded(layer) {
            states[stateIndices[layer]].record.substitute(positions: positions, normals: normals)
        }
    }
}
