/// New contents of a kept row.
public struct KVRewrite: Hashable, Sendable {
    /// The row, as it was counted before the eviction.
    public var row: Int
    /// `[keySize]`.
    public var key: [Float]
    /// `[valueSize]`.
    public var value: [Float]

    /// Rewrites a row.
    public init(row: Int, key: [Float], value: [Float]) {
        self.row = row
        self.key = key
        self.value = value
    }
}

/// Folds evicted rows into kept ones.
///
/// A value with a copy per layer and sequence, like ``KVSelector``.
public protocol KVMerger: KVSavedState, Sendable {
    /// What becomes of the kept rows of every KV head.
    ///
    /// - Parameters:
    ///   - layer: the layer before the eviction.
    ///   - kept: rows that stay, ascending, `[kvHeads][…]`.
    ///   - evicted: the others, ascending.
    /// - Returns: rewritten rows per KV head; rows that are not named stay as they are.
    mutating func merge(in layer: KVLayerView, kept: [[Int]], evicted: [[Int]]) -> [[KVRewrite]]
    /// Whether ``fold(_:in:)`` says the same about single rows.
    var foldsSingleRows: Bool { get }
    /// What becomes of one kept row of every KV head when one row leaves, in whatever order rows lie.
    ///
    /// - Parameter evicted: the row that leaves, `[kvHeads]`; `nil` for none.
    /// - Returns: the rewritten row, `[kvHeads]`; `nil` for none.
    mutating func fold(_ evicted: [Int?], in layer: KVLayerView) -> [KVRewrite?]
}

extension KVMerger {
    /// All rows are looked at, in ascending order.
    public var foldsSingleRows: Bool { false }

    /// Nothing is rewritten.
    public mutating func fold(_ evicted: [Int?], in layer: KVLayerView) -> [KVRewrite?] {
        evicted.map { _ in nil }
    }
}
