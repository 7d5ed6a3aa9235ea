/// The merges of a byte-pair vocabulary: which two tokens become which, and which merge goes first.
struct MergeTable: Sendable {
    /// What a pair of tokens becomes.
    struct Merge: Sendable {
        /// Lower ranks are applied first.
        var rank: UInt32
        /// The token that replaces both.
        var id: TokenID
    }

    fileprivate struct Slot {
        var key: UInt64 = 0
        var merge = Merge(rank: 0, id: 0)
    }

    private var slots: [Slot]
    /// A byte of the hash of each slot's key, 0 where the slot is free: most pairs merge to nothing, and these bytes
    /// say so out of a cache that the slots do not fit into.
    private var tags: [UInt8]
    private var count = 0

    /// Creates an empty table with room for `capacity` merges.
    init(capacity: Int = 0) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        slots = Array(repeating: Slot(), count: size)
        tags = Array(repeating: 0, count: size)
    }

    /// A look at the table for many questions; valid during a call of ``withProbe(_:)``.
    struct Probe {
        fileprivate let slots: UnsafePointer<Slot>
        fileprivate let tags: UnsafePointer<UInt8>
        fileprivate let mask: Int

        /// What `left` followed by `right` becomes, if they merge.
        @inline(__always)
        func merge(_ left: TokenID, _ right: TokenID) -> Merge? {
            let key = MergeTable.key(left, right)
            let (home, tag) = MergeTable.place(key)
            var index = home & mask
            while tags[index] != 0 {
                if tags[index] == tag, slots[index].key == key { return slots[index].merge }
                index = (index + 1) & mask
            }
            return nil
        }
    }

    /// Calls `body` with a ``Probe`` of the table.
    @inline(__always)
    func withProbe(_ body: (Probe) -> Void) {
        slots.withUnsafeBufferPointer { slots in
            tags.withUnsafeBufferPointer { tags in
                guard let base = slots.baseAddress, let tagBase = tags.baseAddress else { return }
                body(Probe(slots: base, tags: tagBase, mask: slots.count - 1))
            }
        }
    }

    /// What `left` followed by `right` becomes, if they merge.
    func merge(_ left: TokenID, _ right: TokenID) -> Merge? {
        var merge: Merge?
        withProbe { merge = $0.merge(left, right) }
        return merge
    }

    /// Adds a merge; of two for the same pair the later wins, or the earlier if `keepingFirst` is set.
    mutating func insert(_ left: TokenID, _ right: TokenID, _ merge: Merge, keepingFirst: Bool) {
        if count * 2 >= slots.count { grow() }
        let key = Self.key(left, right)
        let mask = slots.count - 1
        let (home, tag) = Self.place(key)
        var index = home & mask
        while tags[index] != 0 {
            if slots[index].key == key {
                if !keepingFirst { slots[index].merge = merge }
                return
            }
            index = (index + 1) & mask
        }
        slots[index] = Slot(key: key, merge: merge)
        tags[index] = tag
        count += 1
    }

    private mutating func grow() {
        let old = slots
        let used = old.indices.filter { tags[$0] != 0 }
        slots = Array(repeating: Slot(), count: old.count * 2)
        tags = Array(repeating: 0, count: slots.count)
        let mask = slots.count - 1
        for slot in used.map({ old[$0] }) {
            let (home, tag) = Self.place(slot.key)
            var index = home & mask
            while tags[index] != 0 { index = (index + 1) & mask }
            slots[index] = slot
            tags[index] = tag
        }
    }

    private static func key(_ left: TokenID, _ right: TokenID) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    /// Where the search for a key begins, before it is cut to the size of the table, and the key's tag.
    @inline(__always)
    private static func place(_ key: UInt64) -> (home: Int, tag: UInt8) {
        let mixed = (key ^ key >> 29) &* 0xBF58_476D_1CE4_E5B9
        return (Int(truncatingIfNeeded: mixed >> 32), UInt8(truncatingIfNeeded: mixed >> 24) | 1)
    }
}
