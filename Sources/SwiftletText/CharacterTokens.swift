/// The tokens of single characters below U+10000, by code point.
struct CharacterTokens: Sendable {
    private static let pageSize = 64

    /// By the upper bits of a code point, where its page begins in ``tokens``; empty if there are no tokens.
    private var pages: [Int32] = []
    /// Pages of tokens, -1 where there is none; the first has none.
    private var tokens: [TokenID] = []

    /// The token of a value that ``UTF8Text`` returned, if it is known.
    @inline(__always)
    subscript(value: UInt32) -> TokenID? {
        let page = Int(value) / Self.pageSize
        guard page < pages.count else { return nil }
        let token = tokens[Int(pages[page]) + Int(value) % Self.pageSize]
        return token >= 0 ? token : nil
    }

    /// Adds the texts of a vocabulary that are one character, with the token that `lookUp` gives for each.
    mutating func insert(_ vocabulary: Vocabulary, _ lookUp: (ArraySlice<UInt8>) -> TokenID?) {
        for id in 0..<TokenID(vocabulary.idBound) {
            guard let text = vocabulary.text(of: id), let value = Self.onlyCharacter(of: text),
                let token = lookUp(text)
            else { continue }
            insert(value, token)
        }
    }

    private mutating func insert(_ value: UInt32, _ token: TokenID) {
        if pages.isEmpty {
            pages = Array(repeating: 0, count: 0x10000 / Self.pageSize)
            tokens = Array(repeating: -1, count: Self.pageSize)
        }
        let page = Int(value) / Self.pageSize
        if pages[page] == 0 {
            pages[page] = Int32(tokens.count)
            tokens.append(contentsOf: repeatElement(-1, count: Self.pageSize))
        }
        tokens[Int(pages[page]) + Int(value) % Self.pageSize] = token
    }

    /// The character below U+10000 that is all of `text`.
    private static func onlyCharacter(of text: ArraySlice<UInt8>) -> UInt32? {
        guard 1...3 ~= text.count else { return nil }
        return text.withUnsafeBufferPointer { text in
            guard let base = text.baseAddress else { return nil }
            let (value, width) = UTF8Text.decode(base, 0, text.count)
            return width == text.count && value < 0x10000 ? value : nil
        }
    }
}
