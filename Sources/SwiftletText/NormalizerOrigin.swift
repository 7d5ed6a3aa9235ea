/// Which part of a normalised text comes from the first character of the input.
///
/// The scheme `first` of the pre-tokenizer `Metaspace` puts its mark before a piece that begins there, wherever the
/// piece itself is: none does where a normaliser has removed that character, several where it became many.
///
/// Source: the alignments of `NormalizedString` in Hugging Face `tokenizers` 0.23.
extension Normalizer {
    /// The normalised text.
    ///
    /// - Parameter originCount: how many bytes at the beginning of the text come from the first character of the
    ///   input; before the call of `text`, after it of the normalised text.
    func normalize(_ text: [UInt8], originCount: inout Int) -> [UInt8] {
        var text = text
        for step in steps {
            originCount = step.originCount(originCount, in: text)
            text = step.apply(to: text)
        }
        return text
    }
}

extension NormalizerStep {
    /// How many bytes the first character of a text has; 0 if there is none.
    static func width(ofFirst text: [UInt8]) -> Int {
        text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress, !buffer.isEmpty else { return 0 }
            return UTF8Text.decode(base, 0, buffer.count).width
        }
    }

    /// How many bytes of what the step makes of `text` come from the first `count` bytes of it, which are whole
    /// characters.
    func originCount(_ count: Int, in text: [UInt8]) -> Int {
        switch self {
        case .form(let form): return Self.originCount(count, in: text, form)
        case .bertStripAccents:
            let decomposed = UnicodeNormalization.normalize(text, to: .nfd)
            let count = Self.originCount(count, in: text, .nfd)
            return apply(to: Array(decomposed.prefix(count))).count  // decomposing it again changes nothing
        case .lowercase, .stripAccents, .bertCleanText, .bertSpaceChinese, .nmt, .byteAlphabet:
            return apply(to: Array(text.prefix(count))).count  // each character by itself
        case .strip(let left, _):
            let stripped =
                left ? text.count - NormalizerStep.strip(left: true, right: false).apply(to: text).count : 0
            return min(max(count - stripped, 0), apply(to: text).count)
        case .prepend(let prefix):
            if text.isEmpty { return 0 }
            if prefix.isEmpty { return max(count, Self.width(ofFirst: text)) }
            return count > 0 ? count + prefix.count : 0
        case .replaceLiteral(let literal, let content):
            return Self.originCount(count, content.count) { report in
                text.withUnsafeBufferPointer {
                    PreTokenizerStep.forEachOccurrence(of: literal, in: $0, report)
                }
            }
        case .replacePattern(let pattern, let content):
            return Self.originCount(count, content.count) { report in
                text.withUnsafeBufferPointer { pattern.forEachMatch(in: $0, report) }
            }
        case .precompiled(let map):
            var walk = OriginWalk(count, in: text)
            for step in map.steps(text) { walk.add(step.width, change: step.change) }
            return walk.count
        case .precompiledLongest:
            return min(count, apply(to: text).count)  // not of a tokenizer.json, which alone asks for it
        }
    }

    private static func originCount(_ count: Int, in text: [UInt8], _ form: UnicodeNormalization.Form) -> Int
    {
        var walk = OriginWalk(count, in: text)
        for step in UnicodeNormalization.steps(text, to: form) {
            walk.add(UTF8Text.bytes([step.value]).count, change: Int(step.change))
        }
        return walk.count
    }

    /// What is put in place of a match comes from where the match ends.
    private static func originCount(
        _ count: Int, _ contentCount: Int, _ matches: ((Range<Int>) -> Void) -> Void
    ) -> Int {
        var kept = 0
        var position = 0
        matches { match in
            kept += max(min(match.lowerBound, count) - position, 0)
            if match.upperBound <= count { kept += contentCount }
            position = match.upperBound
        }
        return kept + max(count - position, 0)
    }
}

/// Follows a list of changes to a text for as long as they concern its beginning.
private struct OriginWalk {
    /// How many bytes come from the beginning.
    private(set) var count = 0
    /// How many characters the beginning had.
    private let limit: Int
    /// How many characters of the old text are behind.
    private var position = 0

    /// The beginning is the first `count` bytes of `text`.
    init(_ count: Int, in text: [UInt8]) { limit = UTF8Text.values(Array(text.prefix(count))).count }

    /// Adds a character of `width` bytes that adds `change` characters to the text, or takes the place of one and,
    /// if it is negative, of as many after it.
    mutating func add(_ width: Int, change: Int) {
        if change > 0 ? position == 0 || position <= limit : position < limit { count += width }
        if change <= 0 { position += 1 - change }
    }
}
