package import SwiftletFormats
package import SwiftletTensor

extension Normalizer {
    /// Reads the `normalizer` object of a tokenizer.json; without one, text stays as it is.
    ///
    /// - Parameters:
    ///   - json: the object, `nil` or null.
    ///   - source: the name of the file, for errors.
    /// - Throws: ``SwiftletError`` for types, options and patterns that are unknown or malformed.
    package init(json: JSON?, source: String) throws(SwiftletError) {
        var steps: [NormalizerStep] = []
        if let json, !json.isNull { try Normalizer.read(json, source: source, depth: 0, into: &steps) }
        self.init(steps: steps)
    }

    /// Reads the `precompiled_charsmap` of a SentencePiece model or a GGUF file; an empty one changes nothing.
    ///
    /// Unlike the step `Precompiled` of a tokenizer.json, the longest key is replaced at each place, as in
    /// SentencePiece itself.
    ///
    /// - Throws: ``SwiftletError`` if the map is cut short; `source` names its file.
    package init(precompiledCharacterMap bytes: [UInt8], source: String) throws(SwiftletError) {
        if bytes.isEmpty {
            self = .identity
            return
        }
        guard let map = PrecompiledCharacterMap(bytes) else {
            throw SwiftletError(
                .malformed,
                "\(source): precompiled_charsmap has \(bytes.count) bytes, fewer than its trie asks for; "
                    + "convert the model again.")
        }
        self.init(steps: [.precompiledLongest(map)])
    }

    private static func read(
        _ json: JSON, source: String, depth: Int, into steps: inout [NormalizerStep]
    ) throws(SwiftletError) {
        guard json.kind == .object, let type = json["type"]?.string else {
            throw SwiftletError(
                .malformed, "\(source): a normalizer needs to be an object with a 'type' such as NFC.")
        }
        let options = StepOptions(json: json, step: "normalizer \(type)", source: source)
        switch type {
        case "Sequence":
            guard let list = json["normalizers"], list.kind == .array, depth < 16 else {
                throw options.error("normalizers", "none", "a list that is nested at most 16 times")
            }
            for json in list.elements { try read(json, source: source, depth: depth + 1, into: &steps) }
        case "NFC": steps.append(.form(.nfc))
        case "NFD": steps.append(.form(.nfd))
        case "NFKC": steps.append(.form(.nfkc))
        case "NFKD": steps.append(.form(.nfkd))
        case "Lowercase": steps.append(.lowercase)
        case "Strip":
            let left = try options.bool("strip_left", default: true)
            steps.append(.strip(left: left, right: try options.bool("strip_right", default: true)))
        case "StripAccents": steps.append(.stripAccents)
        case "Replace": steps.append(try replacement(options))
        case "Prepend": steps.append(.prepend(try options.text("prepend")))
        case "BertNormalizer", "Bert": steps += try bert(options)
        case "Nmt": steps.append(.nmt)
        case "Precompiled": steps += try precompiled(options)
        case "ByteLevel": steps.append(.byteAlphabet)
        default:
            throw SwiftletError(
                .unsupported,
                "\(source): the normalizer type '\(type)' is unknown; Swiftlet knows BertNormalizer, ByteLevel, "
                    + "Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, Prepend, Replace, Sequence, Strip and "
                    + "StripAccents.")
        }
    }

    private static func replacement(_ options: StepOptions) throws(SwiftletError) -> NormalizerStep {
        let content = try options.text("content")
        if let text = options.json["pattern"]?["String"]?.bytes, !text.isEmpty {
            return .replaceLiteral(text, with: content)
        }
        guard
            let pattern = options.json["pattern"]?["String"]?.string
                ?? options.json["pattern"]?["Regex"]?.string
        else {
            throw options.error("pattern", "none", "an object with 'String' or 'Regex'")
        }
        return .replacePattern(try Pattern(pattern, source: options.source), with: content)
    }

    private static func bert(_ options: StepOptions) throws(SwiftletError) -> [NormalizerStep] {
        var steps: [NormalizerStep] = []
        if try options.bool("clean_text", default: true) { steps.append(.bertCleanText) }
        if try options.bool("handle_chinese_chars", default: true) { steps.append(.bertSpaceChinese) }
        let lowercase = try options.bool("lowercase", default: true)
        if try options.bool("strip_accents", default: lowercase) { steps.append(.bertStripAccents) }
        if lowercase { steps.append(.lowercase) }
        return steps
    }

    private static func precompiled(_ options: StepOptions) throws(SwiftletError) -> [NormalizerStep] {
        guard let json = options.json["precompiled_charsmap"], !json.isNull else { return [] }
        guard let text = json.bytes, let bytes = Base64.decode(text) else {
            throw options.error("precompiled_charsmap", json.kind.rawValue, "a string in base 64")
        }
        if bytes.isEmpty { return [] }
        guard let map = PrecompiledCharacterMap(bytes) else {
            throw options.error("precompiled_charsmap", "\(bytes.count) bytes cut short", "a complete map")
        }
        return [.precompiled(map)]
    }
}
