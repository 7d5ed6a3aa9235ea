/// The number of a token in a vocabulary.
public typealias TokenID = Int32

/// The texts of all tokens, found by id and by text.
///
/// All texts lie in one arena, and the table from text to id holds one word per slot, so loading 150,000 tokens
/// allocates a handful of times. Ids may have holes; they are below ``limit``.
struct Vocabulary: Sendable {
    /// Ids must be below this, so that a file cannot ask for gigabytes with one number.
    static let limit = 1 << 22

    private struct Span {
        var start: UInt32 = 0
        /// Bytes of text, or -1 if no token has this id.
        var length: Int32 = -1
    }

    private var arena: [UInt8] = []
    private var spans: [Span] = []
    /// 0 if free, else the upper half of the text's hash above id + 1.
    private var slots: [UInt64]
    private var used = 0

    /// The number of ids with a text.
    private(set) var count = 0
    /// Bytes of the longest text.
    private(set) var longest = 0

    /// Creates an empty vocabulary with room for `capacity` tokens.
    init(capacity: Int = 0) {
        var size = 16
        while size < capacity * 2 { size *= 2 }
        slots = Array(repeating: 0, count: size)
        spans.reserveCapacity(capacity)
        arena.reserveCapacity(capacity * 8)
    }

    /// One more than the largest id.
    var idBound: Int { spans.count }

    /// Whether a token has this id.
    func contains(_ id: TokenID) -> Bool {
        id >= 0 && Int(id) < spans.count && spans[Int(id)].length >= 0
    }

    /// The text of a token, or `nil` if there is none.
    func text(of id: TokenID) -> ArraySlice<UInt8>? {
        guard contains(id) else { return nil }
        let span = spans[Int(id)]
        return arena[Int(span.start)..<Int(span.start) + Int(span.length)]
    }

    /// The id that a text leads to.
    func id(of text: UnsafeBufferPointer<UInt8>) -> TokenID? {
        text.count <= longest ? find(text, Self.hash(text)) : nil
    }

    /// The longest text that `text` begins with, if it has more than `shortest` bytes: its id and its length.
    func longestPrefix(
        of text: UnsafeBufferPointer<UInt8>, longerThan shortest: Int
    ) -> (id: TokenID, length: Int)? {
        let count = min(text.count, longest)
        guard count > shortest else { return nil }
        return withUnsafeTemporaryAllocation(of: UInt64.self, capacity: count) { states in
            var state = Self.seed
            for place in 0..<count {
                state = Self.advanced(state, text[place])
                states[place] = state
            }
            for length in stride(from: count, to: shortest, by: -1) {
                let prefix = UnsafeBufferPointer(rebasing: text[..<length])
                if let id = find(prefix, Self.finished(states[length - 1])) { return (id, length) }
            }
            return nil
        }
    }

    /// The id of a text with a known hash.
    @inline(__always)
    private func find(_ text: UnsafeBufferPointer<UInt8>, _ hash: UInt64) -> TokenID? {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        while slots[slot] != 0 {
            let entry = slots[slot]
            if entry >> 32 == hash >> 32 {
                let id = TokenID(truncatingIfNeeded: entry & 0xFFFF_FFFF) - 1
                if matches(spans[Int(id)], text) { return id }
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// The id that a text leads to.
    func id(of text: some Collection<UInt8>) -> TokenID? {
        if let found = text.withContiguousStorageIfAvailable({ id(of: $0) }) { return found }
        return Array(text).withUnsafeBufferPointer { id(of: $0) }
    }

    /// Gives `text` the number `id`, which must be free and in `0..<limit`.
    ///
    /// If the text was known, it leads to the new id from now on; the old id loses its text only if
    /// `replacing` is set.
    /// - Returns: the id that the text led to before.
    @discardableResult
    mutating func insert(
        _ text: UnsafeBufferPointer<UInt8>, id: TokenID, replacing: Bool = true
    ) -> TokenID? {
        precondition(id >= 0 && id < Self.limit && !contains(id), "id \(id) is taken or out of range")
        if used * 2 >= slots.count { grow() }
        let hash = Self.hash(text)
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: hash) & mask
        var previous: TokenID?
        while slots[slot] != 0 {
            let entry = slots[slot]
            let candidate = TokenID(truncatingIfNeeded: entry & 0xFFFF_FFFF) - 1
            if entry >> 32 == hash >> 32, matches(spans[Int(candidate)], text) {
                previous = candidate
                break
            }
            slot = (slot + 1) & mask
        }
        if previous == nil { used += 1 }
        slots[slot] = (hash & 0xFFFF_FFFF_0000_0000) | UInt64(id + 1)
        store(text, at: id)
        if let previous, replacing {
            spans[Int(previous)].length = -1
            count -= 1
        }
        return previous
    }

    /// Gives `text` the number `id`; see ``insert(_:id:replacing:)-(UnsafeBufferPointer,_,_)``.
    @discardableResult
    mutating func insert(_ text: [UInt8], id: TokenID, replacing: Bool = true) -> TokenID? {
        text.withUnsafeBufferPointer { insert($0, id: id, replacing: replacing) }
    }

    private mutating func store(_ text: UnsafeBufferPointer<UInt8>, at id: TokenID) {
        while spans.count <= id { spans.append(Span()) }
        spans[Int(id)] = Span(start: UInt32(arena.count), length: Int32(text.count))
        arena.append(contentsOf: text)
        count += 1
        longest = max(longest, text.count)
    }

    private func matches(_ span: Span, _ text: UnsafeBufferPointer<UInt8>) -> Bool {
        guard Int(span.length) == text.count else { return false }
        return arena.withUnsafeBufferPointer { arena in
            let start = Int(span.start)
            for place in 0..<text.count where arena[start + place] != text[place] { return false }
            return true
        }
    }

    private mutating func grow() {
        let old = slots
        slots = Array(repeating: 0, count: old.count * 2)
        let mask = slots.count - 1
        for entry in old where entry != 0 {
            let span = spans[Int(entry & 0xFFFF_FFFF) - 1]
            let hash = arena.withUnsafeBufferPointer {
                let start = Int(span.start)
                return Self.hash(UnsafeBufferPointer(rebasing: $0[start..<start + Int(span.length)]))
            }
            var slot = Int(truncatingIfNeeded: hash) & mask
            while slots[slot] != 0 { slot = (slot + 1) & mask }
            slots[slot] = entry
        }
    }

    private static let seed: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The state of a hash behind one more byte.
    @inline(__always)
    private static func advanced(_ state: UInt64, _ byte: UInt8) -> UInt64 {
        (state ^ UInt64(byte)) &* 0xFF51_AFD7_ED55_8CCD
    }

    /// The hash of the bytes that led to a state; both halves are well spread.
    @inline(__always)
    private static func finished(_ state: UInt64) -> UInt64 {
        let mixed = (state ^ state >> 32) &* 0xC4CE_B9FE_1A85_EC53
        return mixed ^ mixed >> 29
    }

    private static func hash(_ text: UnsafeBufferPointer<UInt8>) -> UInt64 {
        finished(text.reduce(seed, advanced))
    }
}
