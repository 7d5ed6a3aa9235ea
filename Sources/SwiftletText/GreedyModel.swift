/// The longest token at each place, from left to right.
///
/// Source: the `rwkv` vocabularies of GGUF files, as llama.cpp reads them.
/// - Complexity: O(n × longest token).
struct GreedyModel: Sendable {
    /// All tokens.
    var trie: ByteTrie
    /// Stands for a byte that no token begins with; without it the byte is dropped.
    var unknown: TokenID?

    /// Appends the tokens of `text`.
    func encode(_ text: UnsafeBufferPointer<UInt8>, into ids: inout [TokenID]) {
        var position = 0
        while position < text.count {
            if let match = trie.longestMatch(in: text, at: position) {
                ids.append(match.value)
                position = match.end
            } else {
                if let unknown { ids.append(unknown) }
                position += 1
            }
        }
    }

    /// The bytes that a token's text with `\\t`, `\\n`, `\\r`, `\\x41` and backslashes before other characters stands for.
    static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let kind = rest.popFirst() else {
                bytes.append(byte)
                continue
            }
            switch kind {
            case UInt8(ascii: "t"): bytes.append(0x09)
            case UInt8(ascii: "n"): bytes.append(0x0A)
            case UInt8(ascii: "r"): bytes.append(0x0D)
            case UInt8(ascii: "x"):
                let digits = String(decoding: rest.prefix(2), as: UTF8.self)
                rest = rest.dropFirst(2)
                bytes.append(UInt8(digits, radix: 16) ?? 0x3F)
            default: bytes.append(kind)
            }
        }
        return bytes
    }
}
