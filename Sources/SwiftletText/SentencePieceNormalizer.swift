import SwiftletTensor

/// Prepares text as SentencePiece does: maps characters, tidies spaces and writes them as U+2581.
///
/// Source: Kudo and Richardson, 2018, arXiv:1808.06226, §3.2, and the behaviour of its `Normalizer`.
struct SentencePieceNormalizer: Sendable {
    /// U+2581, which stands for a space.
    static let spaceMark: [UInt8] = [0xE2, 0x96, 0x81]

    /// Whether a run of U+2581 begins between two texts.
    static func isMarkBoundary(_ left: some Sequence<UInt8>, _ right: some Sequence<UInt8>) -> Bool {
        right.starts(with: spaceMark) && !Array(left).suffix(3).elementsEqual(spaceMark)
    }

    /// Whether a run of U+2581 begins inside a text.
    static func hasInnerMark(_ text: [UInt8]) -> Bool {
        text.indices.dropFirst().contains { place in
            text[place] == spaceMark[0] && isMarkBoundary(text[..<place], text[place...])
        }
    }

    /// Replaces characters; `nil` keeps them.
    var map: PrecompiledCharacterMap?
    /// Text begins with a space that it did not have.
    var addsPrefix = true
    /// The space goes to the end instead.
    var prefixIsSuffix = false
    /// Runs of spaces become one, at either end none.
    var removesExtraSpace = true
    /// Spaces become U+2581.
    var escapesSpace = true
    /// Texts that no rule may touch.
    var userDefined = ByteTrie()
    /// Bytes that are not UTF-8 stay, for vocabularies that have a token for each; otherwise they become U+FFFD.
    var keepsInvalidBytes = false

    /// The text that the model sees.
    ///
    /// - Parameter addsPrefix: whether this is a place for the dummy prefix.
    func normalize(_ text: [UInt8], addsPrefix wanted: Bool) -> [UInt8] {
        text.withUnsafeBufferPointer { text in
            var result: [UInt8] = []
            result.reserveCapacity(text.count + text.count / 2 + 4)
            var position = 0
            if removesExtraSpace {
                while position < text.count {
                    let (part, end) = nextPart(text, position)
                    guard part.elementsEqual(CollectionOfOne(0x20)) else { break }
                    position = end
                }
            }
            guard position < text.count else { return [] }
            let adds = addsPrefix && wanted
            if adds, !prefixIsSuffix { result.append(contentsOf: space) }
            var afterSpace = removesExtraSpace
            while position < text.count {
                let (part, end) = nextPart(text, position)
                append(part, &afterSpace, to: &result)
                position = end
            }
            if removesExtraSpace {
                while result.suffix(space.count).elementsEqual(space) { result.removeLast(space.count) }
            }
            if adds, prefixIsSuffix { result.append(contentsOf: space) }
            return result
        }
    }

    private var space: [UInt8] { escapesSpace ? Self.spaceMark : [0x20] }

    private func append(_ part: ArraySlice<UInt8>, _ afterSpace: inout Bool, to result: inout [UInt8]) {
        let part = afterSpace ? part.drop { $0 == 0x20 } : part
        for byte in part {
            if escapesSpace, byte == 0x20 {
                result.append(contentsOf: Self.spaceMark)
            } else {
                result.append(byte)
            }
        }
        if removesExtraSpace, let last = part.last { afterSpace = last == 0x20 }
    }

    /// What the text at `position` becomes, and where it ends.
    private func nextPart(
        _ text: UnsafeBufferPointer<UInt8>, _ position: Int
    ) -> (part: ArraySlice<UInt8>, end: Int) {
        if !userDefined.isEmpty, let match = userDefined.longestMatch(in: text, at: position) {
            return (Array(text[position..<match.end])[...], match.end)
        }
        if let (part, end) = map?.longestReplacement(in: text[position...]) { return (part[...], end) }
        let (scalar, length) = UTF8Step.character(text, at: position)
        if scalar == nil, !keepsInvalidBytes { return ([0xEF, 0xBF, 0xBD], position + 1) }
        return (Array(text[position..<position + length])[...], position + length)
    }
}

extension PrecompiledCharacterMap {
    /// The map of a model file; an empty one replaces nothing.
    static func read(_ blob: [UInt8], source: String) throws(SwiftletError) -> PrecompiledCharacterMap? {
        guard !blob.isEmpty else { return nil }
        if let map = PrecompiledCharacterMap(blob) { return map }
        throw SwiftletError(
            .malformed, "\(source): the character map of \(blob.count) bytes is shorter than it says")
    }
}
