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

/// What a sequence holds and reads, counted and not estimated.
extension KVSequence {
    /// Notes what a generated token reads of a layer's cache, its own row included.
    ///
    /// Rows count once, even where evidence for the policy takes a second look at their keys. Attention that is
    /// recorded at every token, or an index of the rows, counts as one table.
    ///
    /// - Parameter choices: the rows that a retrieval chose; `nil` is all that are visible.
    func noteRead(layer: Int, position: Int32, choices: [KVRowChoice]? = nil) {
        let slot = slot(of: layer)
        if let choices {
            let tables = (retrieval?.heldBytes ?? 0) / layout.storingLayers.count
            let rows = choices.enumerated().map { head, choice in
                choice.rows.count + slot.rowCount(ofHead: head) - choice.tail
            }
            reads[layer] = slot.read(rows: rows) + KVRead(bytes: tables)
        } else {
            let window = layout.layers[layer].window
            reads[layer] = slot.read(from: window.map { Int32(clamping: Int(position) - $0 + 1) })
            if layout.ownsSlot(layer) { reads[layer].bytes += records[layer].bytesPerStep }
        }
    }

    /// Rows per KV head, on average over the heads of all layers that store rows.
    public var meanRowCount: Double {
        var (rows, heads) = (0, 0)
        for layer in layout.storingLayers {
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
        if !needs.isEmpty { records[layer].substitute(positions: positions, normals: normals) }
    }
}
