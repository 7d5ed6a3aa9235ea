/// A prefix tree over bytes, with a number at the end of each key.
///
/// Edges live in one hash table, so building is linear in the bytes of the keys and a step is one probe.
struct ByteTrie: Sendable {
    /// The node of the empty key.
    static let root: UInt32 = 0
    /// What ``step(_:_:)`` answers if there is no such edge.
    static let none = UInt32.max

    private var rootEdges = [UInt32](repeating: none, count: 256)
    private var keys: [UInt64] = Array(repeating: 0, count: 64)
    private var children: [UInt32] = Array(repeating: none, count: 64)
    private var values: [Int32] = [-1]
    private var edgeCount = 0

    /// Whether there is no key.
    private(set) var isEmpty = true

    /// The number of the key that ends at `node`, or -1.
    func value(at node: UInt32) -> Int32 { values[Int(node)] }

    /// The child of `node` along `byte`, or ``none``.
    func step(_ node: UInt32, _ byte: UInt8) -> UInt32 {
        if node == Self.root { return rootEdges[Int(byte)] }
        let key = Self.key(node, byte)
        var slot = Self.slot(key) & (keys.count - 1)
        while keys[slot] != 0 {
            if keys[slot] == key { return children[slot] }
            slot = (slot + 1) & (keys.count - 1)
        }
        return Self.none
    }

    /// Adds a key; the last value of equal keys wins. An empty key is ignored.
    mutating func insert(_ text: some Sequence<UInt8>, value: Int32) {
        var node = Self.root
        for byte in text {
            var next = step(node, byte)
            if next == Self.none {
                next = UInt32(values.count)
                values.append(-1)
                link(node, byte, next)
            }
            node = next
        }
        guard node != Self.root else { return }
        values[Int(node)] = value
        isEmpty = false
    }

    /// The longest key that `text` has at `position`: where it ends and its number.
    func longestMatch(in text: UnsafeBufferPointer<UInt8>, at position: Int) -> (end: Int, value: Int32)? {
        var found: (Int, Int32)?
        var node = Self.root
        var index = position
        while index < text.count {
            node = step(node, text[index])
            if node == Self.none { break }
            index += 1
            if values[Int(node)] >= 0 { found = (index, values[Int(node)]) }
        }
        return found
    }

    private mutating func link(_ node: UInt32, _ byte: UInt8, _ child: UInt32) {
        guard node != Self.root else {
            rootEdges[Int(byte)] = child
            return
        }
        if edgeCount * 2 >= keys.count { grow() }
        place(Self.key(node, byte), child)
        edgeCount += 1
    }

    private mutating func place(_ key: UInt64, _ child: UInt32) {
        var slot = Self.slot(key) & (keys.count - 1)
        while keys[slot] != 0 { slot = (slot + 1) & (keys.count - 1) }
        keys[slot] = key
        children[slot] = child
    }

    private mutating func grow() {
        let (oldKeys, oldChildren) = (keys, children)
        keys = Array(repeating: 0, count: oldKeys.count * 2)
        children = Array(repeating: Self.none, count: oldKeys.count * 2)
        for (key, child) in zip(oldKeys, oldChildren) where key != 0 { place(key, child) }
    }

    /// Never 0, as the root's edges are kept apart.
    private static func key(_ node: UInt32, _ byte: UInt8) -> UInt64 { UInt64(node) << 8 | UInt64(byte) }

    private static func slot(_ key: UInt64) -> Int {
        Int(truncatingIfNeeded: key &* 0x9E37_79B9_7F4A_7C15 >> 24)
    }
}
