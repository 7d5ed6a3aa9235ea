import SwiftletTensor

/// The `precompiled_charsmap` of SentencePiece: texts and what replaces them, in a double-array trie.
///
/// The blob is the trie's length in bytes, the trie's 32-bit units, then replacements that each end with a zero.
///
/// Source: Aoe, 1989, "An efficient digital search algorithm by using a double-array structure"; the bits of a
/// unit are those of the Darts-clone library.
struct CharacterMap: Sendable {
    private let units: [UInt32]
    private let replacements: [UInt8]

    /// Reads a blob; an empty one replaces nothing.
    init?(_ blob: [UInt8], source: String) throws(SwiftletError) {
        guard !blob.isEmpty else { return nil }
        let length = blob.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard blob.count > 4, length > 0, length % 4 == 0, length < blob.count - 4 else {
            throw SwiftletError(
                .malformed, "\(source): the character map of \(blob.count) bytes says its trie has \(length)")
        }
        units = stride(from: 4, to: 4 + length, by: 4).map { start in
            blob[start..<start + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        replacements = Array(blob[(4 + length)...])
    }

    /// What replaces the longest known text at `position`, and where that text ends.
    func replacement(
        in text: UnsafeBufferPointer<UInt8>, at position: Int
    ) -> (text: ArraySlice<UInt8>, end: Int)? {
        var node = Self.offset(units[0])
        var index = position
        var found: (value: Int, end: Int)?
        while index < text.count, text[index] != 0 {
            node ^= Int(text[index])
            guard node < units.count, Self.label(units[node]) == UInt32(text[index]) else { break }
            index += 1
            let hasValue = units[node] >> 8 & 1 == 1
            node ^= Self.offset(units[node])
            guard node < units.count else { break }
            if hasValue { found = (Int(units[node] & 0x7FFF_FFFF), index) }
        }
        guard let found, found.value < replacements.count else { return nil }
        return (replacements[found.value...].prefix { $0 != 0 }, found.end)
    }

    private static func offset(_ unit: UInt32) -> Int { Int(unit >> 10) << Int((unit & 0x200) >> 6) }

    private static func label(_ unit: UInt32) -> UInt32 { unit & 0x8000_00FF }
}
