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

    /// The rows of one KV head that leave, ascending, if it has `count`.
    public func droppedRows(ofHead head: Int, of count: Int) -> [Int] {
        var dropped: [Int] = []
        var next = 0
        for row in rows(ofHead: head) {
            dropped += next..<row
            next = row + 1
        }
        return dropped + Array(min(next, count)..<count)
    }

    private static func isAscending(_ rows: [Int]) -> Bool {
        for index in rows.indices.dropFirst() where rows[index - 1] >= rows[index] { return false }
        return true
    }
}

extension Collection where Element == Float, Index == Int {
    /// The indices of the `count` largest elements, ascending; ties go to the lower index and NaN counts as the
    /// smallest value.
    ///
    /// - Complexity: O(n) on average.
    public func indicesOfLargest(_ count: Int) -> [Int] {
        guard count < self.count else { return Array(indices) }
        guard count > 0, let first = indices.first else { return [] }
        // One number per element that sorts by value, then by index: no two are equal.
        var keys = indices.map { UInt64(Self.rank(self[$0])) << 32 | UInt64(UInt32.max - UInt32($0 - first)) }
        let least = keys.largest(count)
        keys.removeAll()
        return indices.filter {
            UInt64(Self.rank(self[$0])) << 32 | UInt64(UInt32.max - UInt32($0 - first)) >= least
        }
    }

    /// A number that rises with `x`; the same for both zeros, the smallest for NaN.
    private static func rank(_ x: Float) -> UInt32 {
        guard !x.isNaN else { return 0 }
        let bits = (x + 0).bitPattern
        return bits >> 31 == 0 ? bits | 1 << 31 : ~bits
    }
}

extension [UInt64] {
    /// The element that `count − 1` others exceed; reorders the array. All elements differ.
    fileprivate mutating func largest(_ count: Int) -> UInt64 {
        var (low, high) = (0, self.count - 1)
        let wanted = count - 1
        while low < high {
            let pivot = self[low + (high - low) / 2]
            var (i, j) = (low, high)
            while i <= j {
                while self[i] > pivot { i += 1 }
                while self[j] < pivot { j -= 1 }
                if i <= j {
                    swapAt(i, j)
                    i += 1
                    j -= 1
                }
            }
            if wanted <= j { high = j } else if wanted >= i { low = i } else { break }
        }
        return self[wanted]
    }
}
