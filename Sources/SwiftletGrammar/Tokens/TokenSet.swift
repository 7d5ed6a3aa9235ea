/// A set of tokens, one bit each: bit `id % 64` of word `id / 64`.
struct TokenSet: Sendable, Hashable {
    private(set) var words: [UInt64]

    /// An empty set over `count` tokens.
    init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

    /// Whether there are no members.
    var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// Whether a token is a member.
    func contains(_ token: Int32) -> Bool {
        token >= 0 && Int(token) / 64 < words.count && words[Int(token) / 64] >> UInt64(token % 64) & 1 == 1
    }

    /// Adds a token.
    @inline(__always)
    mutating func insert(_ token: Int32) { words[Int(token) / 64] |= 1 << UInt64(token % 64) }

    /// Removes a token.
    mutating func remove(_ token: Int32) { words[Int(token) / 64] &= ~(1 << UInt64(token % 64)) }

    /// Adds the members of another set over the same tokens.
    mutating func formUnion(_ other: TokenSet) {
        words.withUnsafeMutableBufferPointer { words in
            other.words.withUnsafeBufferPointer { other in
                for index in words.indices { words[index] |= other[index] }
            }
        }
    }
}
