/// Which rows of a slot survive: one list for all KV heads, or one list per head.
public struct KVSelection: Hashable, Sendable {
    private enum Kind: Hashable {
        case allHeads([Int])
        case perHead([[Int]])
    }

    private let kind: Kind

    /// The same rows for every KV head, ascending.
    public static func allHeads(_ rows: [Int]) -> KVSelection {
        precondition(isAscending(rows), "kept rows must ascend")
        return KVSelection(kind: .allHeads(rows))
    }

    /// One list of ascending rows per KV head; the lists may differ in length.
    public static func perHead(_ rows: [[Int]]) -> KVSelection {
        precondition(rows.allSatisfy(isAscending), "kept rows must ascend")
        return KVSelection(kind: .perHead(rows))
    }

    /// The surviving rows of one KV head.
    public func rows(ofHead head: Int) -> [Int] {
        switch kind {
        case .allHeads(let rows): rows
        case .perHead(let lists): lists[head]
        }
    }

    private static func isAscending(_ rows: [Int]) -> Bool {
        zip(rows, rows.dropFirst()).allSatisfy { $0 < $1 }
    }
}

extension Collection where Element == Float, Index == Int {
    /// The indices of the `count` largest elements, ascending; ties go to the lower index and NaN counts as the
    /// smallest value.
    ///
    /// - Complexity: O(n log n).
    public func indicesOfLargest(_ count: Int) -> [Int] {
        func rank(_ index: Int) -> Float { self[index].isNaN ? -.infinity : self[index] }
        let order = indices.sorted { rank($0) != rank($1) ? rank($0) > rank($1) : $0 < $1 }
        return order.prefix(Swift.max(count, 0)).sorted()
    }
}
