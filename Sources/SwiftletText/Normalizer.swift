/// Rewrites text before it is split: Unicode forms, case, accents, spaces, replacements.
///
/// Bytes that are not UTF-8 pass through every step.
///
/// Source: the `normalizers` of Hugging Face `tokenizers` 0.23.
package struct Normalizer: Sendable {
    let steps: [NormalizerStep]
    private let stages: [Stage]

    /// Steps that are done at once.
    private enum Stage {
        case step(NormalizerStep)
        case characters(CharacterRules)
    }

    /// The normaliser that changes nothing.
    package static let identity = Normalizer(steps: [])

    init(steps: [NormalizerStep]) {
        self.steps = steps
        var stages: [Stage] = []
        var rest = steps[...]
        while let step = rest.first {
            let run = rest.prefix { $0.seesCharacters }
            if case .form = step, run.count == 1 {  // has a shorter way for text that is in the form
                stages.append(.step(step))
            } else {
                stages.append(run.isEmpty ? .step(step) : .characters(CharacterRules(Array(run))))
            }
            rest = rest.dropFirst(max(run.count, 1))
        }
        self.stages = stages
    }

    /// Whether text always stays as it is.
    package var isIdentity: Bool { steps.isEmpty }

    /// The normalised text.
    package func normalize(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for stage in stages {
            switch stage {
            case .step(let step): text = step.apply(to: text)
            case .characters(let rules): text = rules.apply(to: text)
            }
        }
        return text
    }

    /// Canonical composition.
    package static func nfc(_ text: [UInt8]) -> [UInt8] { UnicodeNormalization.normalize(text, to: .nfc) }
    /// Canonical decomposition.
    package static func nfd(_ text: [UInt8]) -> [UInt8] { UnicodeNormalization.normalize(text, to: .nfd) }
    /// Compatibility composition.
    package static func nfkc(_ text: [UInt8]) -> [UInt8] { UnicodeNormalization.normalize(text, to: .nfkc) }
    /// Compatibility decomposition.
    package static func nfkd(_ text: [UInt8]) -> [UInt8] { UnicodeNormalization.normalize(text, to: .nfkd) }
}

/// One step of a ``Normalizer``.
enum NormalizerStep: Sendable {
    case form(UnicodeNormalization.Form)
    case lowercase
    case strip(left: Bool, right: Bool)
    case stripAccents
    case replaceLiteral([UInt8], with: [UInt8])
    case replacePattern(Pattern, with: [UInt8])
    case prepend([UInt8])
    case bertCleanText
    case bertSpaceChinese
    case bertStripAccents
    case nmt
    case precompiled(PrecompiledCharacterMap)
    case precompiledLongest(PrecompiledCharacterMap)
    case byteAlphabet

    /// `text` after the step.
    func apply(to text: [UInt8]) -> [UInt8] {
        switch self {
        case .form(let form): return UnicodeNormalization.normalize(text, to: form)
        case .lowercase: return NormalizerStep.lowercased(text)
        case .strip(let left, let right): return NormalizerStep.stripped(text, left: left, right: right)
        case .stripAccents:
            return NormalizerStep.mapped(text) { BertClasses.combiningMarks.contains($0) ? nil : $0 }
        case .replaceLiteral(let literal, let content) where literal.count == 1:
            return NormalizerStep.replacing(literal[0], by: content, in: text)
        case .replaceLiteral(let literal, let content):
            return NormalizerStep.replacing(text, with: content) {
                PreTokenizerStep.forEachOccurrence(of: literal, in: $0, $1)
            }
        case .replacePattern(let pattern, let content):
            return NormalizerStep.replacing(text, with: content) { pattern.forEachMatch(in: $0, $1) }
        case .prepend(let prefix): return text.isEmpty ? text : prefix + text
        case .bertCleanText:
            let classes = UnicodeClasses.shared
            return NormalizerStep.mapped(text) {
                BertClasses.removed.contains($0) ? nil : classes[$0].contains(.space) ? 0x20 : $0
            }
        case .bertSpaceChinese: return NormalizerStep.spacingChinese(text)
        case .bertStripAccents:
            let decomposed = UnicodeNormalization.normalize(text, to: .nfd)
            return NormalizerStep.mapped(decomposed) { BertClasses.nonspacingMarks.contains($0) ? nil : $0 }
        case .nmt: return NormalizerStep.mapped(text, NormalizerStep.nmt)
        case .precompiled(let map): return map.normalize(text)
        case .precompiledLongest(let map): return map.normalizeByLongestKeys(text)
        case .byteAlphabet: return ByteAlphabet.encode(text)
        }
    }

    /// `text` with every `byte` replaced.
    private static func replacing(_ byte: UInt8, by content: [UInt8], in text: [UInt8]) -> [UInt8] {
        let matches = text.reduce(0) { $0 + ($1 == byte ? 1 : 0) }
        let size = text.count + matches * content.count - matches
        return [UInt8](unsafeUninitializedCapacity: size) { output, count in
            for other in text {
                if other == byte {
                    for new in content {
                        output.initializeElement(at: count, to: new)
                        count += 1
                    }
                } else {
                    output.initializeElement(at: count, to: other)
                    count += 1
                }
            }
        }
    }

    /// Appends `text` with every `byte` replaced.
    static func appendReplacing(
        _ byte: UInt8, by content: [UInt8], in text: ArraySlice<UInt8>, to result: inout [UInt8]
    ) {
        text.withUnsafeBufferPointer { text in
            var position = 0
            var i = 0
            while i < text.count {
                if text[i] == byte {
                    result.append(contentsOf: text[position..<i])
                    result.append(contentsOf: content)
                    position = i + 1
                }
                i += 1
            }
            result.append(contentsOf: text[position...])
        }
    }

    /// Each character replaced or, where `body` returns `nil`, removed.
    private static func mapped(_ text: [UInt8], _ body: (UInt32) -> UInt32?) -> [UInt8] {
        var mapped: [UInt8] = []
        mapped.reserveCapacity(text.count)
        UTF8Text.forEach(text) { value in
            if let value = body(value) { UTF8Text.append(value, to: &mapped) }
        }
        return mapped
    }

    private static func lowercased(_ text: [UInt8]) -> [UInt8] {
        var lowered: [UInt8] = []
        lowered.reserveCapacity(text.count)
        UTF8Text.forEach(text) { value in
            if value < 0x80 {
                lowered.append(UInt8(value) + (0x41...0x5A ~= value ? 0x20 : 0))
            } else if let scalar = Unicode.Scalar(value) {
                lowered += scalar.properties.lowercaseMapping.utf8
            } else {
                UTF8Text.append(value, to: &lowered)
            }
        }
        return lowered
    }

    private static func stripped(_ text: [UInt8], left: Bool, right: Bool) -> [UInt8] {
        let classes = UnicodeClasses.shared
        return text.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return [] }
            var start = 0
            var end = buffer.count
            while left, start < end {
                let (value, width) = UTF8Text.decode(base, start, end)
                guard classes[value].contains(.space) else { break }
                start += width
            }
            while right, start < end {
                let last = UTF8Text.previous(base, end)
                guard classes[UTF8Text.decode(base, last, end).value].contains(.space) else { break }
                end = last
            }
            return Array(buffer[start..<end])
        }
    }

    private static func replacing(
        _ text: [UInt8], with content: [UInt8],
        _ matches: (UnsafeBufferPointer<UInt8>, (Range<Int>) -> Void) -> Void
    ) -> [UInt8] {
        if text.isEmpty { return text }
        var replaced: [UInt8] = []
        replaced.reserveCapacity(text.count)
        text.withUnsafeBufferPointer { buffer in
            var position = 0
            matches(buffer) { match in
                replaced += buffer[position..<match.lowerBound]
                replaced += content
                position = match.upperBound
            }
            replaced += buffer[position...]
        }
        return replaced
    }

    /// The blocks of Han characters as BERT lists them.
    private static let chinese = CharacterSet([
        0x4E00...0x9FFF, 0x3400...0x4DBF, 0x20000...0x2A6DF, 0x2A700...0x2B73F, 0x2B740...0x2B81F,
        0x2B920...0x2CEAF, 0xF900...0xFAFF, 0x2F800...0x2FA1F,
    ])

    private static func spacingChinese(_ text: [UInt8]) -> [UInt8] {
        var spaced: [UInt8] = []
        spaced.reserveCapacity(text.count)
        UTF8Text.forEach(text) { value in
            let isChinese = chinese.contains(value)
            if isChinese { spaced.append(0x20) }
            UTF8Text.append(value, to: &spaced)
            if isChinese { spaced.append(0x20) }
        }
        return spaced
    }

    /// The rules of SentencePiece's `nmt` normaliser: controls go, odd spaces become spaces.
    private static func nmt(_ value: UInt32) -> UInt32? {
        switch value {
        case 0x01...0x08, 0x0B, 0x0E...0x1F, 0x7F, 0x8F, 0x9F: nil
        case 0x09, 0x0A, 0x0C, 0x0D, 0x1680, 0x200B...0x200F, 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD: 0x20
        default: value
        }
    }
}
