/// Knorm: keeps the rows with the smallest keys, which tend to receive most attention.
///
/// Rotation does not change the norm, so that nothing has to be recorded.
///
/// Source: Devoto et al., 2024, arXiv:2406.11430, §3.
public struct KeyNormSelector: KVSelector {
    /// Knorm has no settings.
    public init() {}

    /// Published for prompts: generated tokens add to the rows.
    public var decodeRule: KVDecodeRule { .append }

    /// Heads differ in the size of their keys.
    public var comparesAcrossHeads: Bool { false }

    /// A length per key.
    public var ranking: KVRowRanking {
        .fixed { rows, head, layer in
            Self.norms(of: rows, ofHead: head, in: layer).map { -$0 }
        }
    }

    /// Nothing is recorded.
    public func needs(promptLength: Int) -> KVEvidence { KVEvidence() }

    /// The negative length of every key.
    public func scores(of layer: KVLayerView) -> [[Float]] {
        (0..<layer.shape.kvHeadCount).map { head in
            Self.norms(layer.keys(ofHead: head), size: layer.shape.keySize).map { -$0 }
        }
    }

    /// The lengths of the keys of some rows of a KV head.
    static func norms(of rows: Range<Int>, ofHead head: Int, in layer: KVLayerView) -> [Float] {
        let keys =
            rows.count < layer.rowCount(ofHead: head)
            ? rows.flatMap { layer.row($0, ofHead: head).key } : layer.keys(ofHead: head)
        return norms(keys, size: layer.shape.keySize)
    }

    /// Euclidean lengths of vectors that lie one behind the other, `[count × size]` → `[count]`.
    package static func norms(_ vectors: [Float], size: Int) -> [Float] {
        vectors.withUnsafeBufferPointer { vectors in
            (0..<vectors.count / max(size, 1)).map { row in
                var sum: Float = 0
                for index in row * size..<(row + 1) * size { sum += vectors[index] * vectors[index] }
                return sum.squareRoot()
            }
        }
    }
}
