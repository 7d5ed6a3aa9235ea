import Foundation

/// Remembers the tokens of short words, so that the words of a language are split once.
///
/// A table of fixed size without locks: each ``ModelScratch`` has its own and gives it back. Two places are tried for
/// a word; a new word takes the first, what was there moves to the second. Words of more than ``longestWord`` bytes or
/// ``mostTokens`` tokens are not kept.
///
/// - Complexity: constant; a hit costs one or two cache lines.
struct WordCache {
    /// Bytes of the longest word that is kept.
    static let longestWord = 32
    /// The most tokens that are kept for a word.
    static let mostTokens = 7
    private static let setCount = 1 << 15

    /// A word in four numbers: with its size they hold all of its bytes.
    struct Key {
        var a: UInt64 = 0
        var b: UInt64 = 0
        var c: UInt64 = 0
        var d: UInt64 = 0
        /// The number of bytes.
        let size: UInt16

        /// Reads a word of 1 to ``longestWord`` bytes, and nothing around it.
        @inline(__always)
        init(_ word: UnsafePointer<UInt8>, _ count: Int) {
            size = UInt16(truncatingIfNeeded: count)
            let bytes = UnsafeRawPointer(word)
            if count >= 8 {
                a = bytes.loadUnaligned(as: UInt64.self)
                b = bytes.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
                if count > 16 {
                    c = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
                    d = bytes.loadUnaligned(fromByteOffset: count - 16, as: UInt64.self)
                }
            } else if count >= 4 {
                let high = bytes.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self)
                a = UInt64(bytes.loadUnaligned(as: UInt32.self)) | UInt64(high) << 32
            } else {
                a = UInt64(word[0]) | UInt64(word[count >> 1]) << 8 | UInt64(word[count - 1]) << 16
            }
        }

        /// The number of the pair of entries that may hold the word.
        @inline(__always)
        var set: Int {
            var mixed = (a ^ UInt64(size)) &* 0x9E37_79B9_7F4A_7C15
            mixed = (mixed ^ mixed >> 32 ^ b) &* 0xD6E8_FEB8_6659_FD93
            if size > 16 {
                mixed = (mixed ^ mixed >> 32 ^ c) &* 0x9E37_79B9_7F4A_7C15
                mixed = (mixed ^ mixed >> 32 ^ d) &* 0xD6E8_FEB8_6659_FD93
            }
            return Int(truncatingIfNeeded: mixed >> 40) & (WordCache.setCount - 1)
        }
    }

    /// A word and its tokens in 64 bytes; an empty one has no size.
    private struct Entry {
        var a: UInt64
        var b: UInt64
        var c: UInt64
        var d: UInt64
        var size: UInt16
        var count: UInt16
        var tokens: (TokenID, TokenID, TokenID, TokenID, TokenID, TokenID, TokenID)

        @inline(__always)
        func holds(_ key: Key) -> Bool {
            a == key.a && b == key.b && c == key.c && d == key.d && size == key.size
        }
    }

    private static let tokensOffset = 36
    private let memory: UnsafeMutableRawPointer
    private let entries: UnsafeMutablePointer<Entry>

    /// Makes an empty table of 4 MiB, of which only what is used costs memory; `nil` if there is no memory.
    init?() {
        precondition(MemoryLayout<Entry>.stride == 64, "an entry is a cache line")
        let stride = MemoryLayout<Entry>.stride
        guard let memory = calloc(2 * Self.setCount + 1, stride) else { return nil }
        self.memory = memory
        entries = memory.alignedUp(toMultipleOf: stride).bindMemory(
            to: Entry.self, capacity: 2 * Self.setCount)
    }

    /// Gives the memory back; the table must not be used any more.
    func deallocate() { free(memory) }

    /// Appends the tokens of a word, if they are known.
    @inline(__always)
    func append(_ key: Key, to ids: inout [TokenID]) -> Bool {
        let first = entries + 2 * key.set
        if first.pointee.holds(key) {
            Self.append(first, to: &ids)
            return true
        }
        let second = first + 1
        guard second.pointee.holds(key) else { return false }
        Self.append(second, to: &ids)
        swap(&first.pointee, &second.pointee)
        return true
    }

    @inline(__always)
    private static func append(_ entry: UnsafeMutablePointer<Entry>, to ids: inout [TokenID]) {
        if entry.pointee.count == 1 { return ids.append(entry.pointee.tokens.0) }
        let tokens = (UnsafeRawPointer(entry) + tokensOffset).assumingMemoryBound(to: TokenID.self)
        ids.append(contentsOf: UnsafeBufferPointer(start: tokens, count: Int(entry.pointee.count)))
    }

    /// Keeps the tokens of a word that was not found.
    func insert(_ key: Key, _ tokens: UnsafeBufferPointer<TokenID>) {
        guard tokens.count <= Self.mostTokens else { return }
        let first = entries + 2 * key.set
        first[1] = first[0]
        var list: (TokenID, TokenID, TokenID, TokenID, TokenID, TokenID, TokenID) = (0, 0, 0, 0, 0, 0, 0)
        withUnsafeMutableBytes(of: &list) { list in
            let list = list.bindMemory(to: TokenID.self)
            for (place, token) in tokens.enumerated() { list[place] = token }
        }
        first.pointee = Entry(
            a: key.a, b: key.b, c: key.c, d: key.d, size: key.size, count: UInt16(tokens.count),
            tokens: list)
    }
}
