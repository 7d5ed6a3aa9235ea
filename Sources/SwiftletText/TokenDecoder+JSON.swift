import SwiftletFormats
import SwiftletTensor

extension TokenDecoder {
    /// Reads the `decoder` of a tokenizer.json.
    static func steps(json: JSON?, source: String) throws(SwiftletError) -> [Step] {
        guard let json, !json.isNull else { return [.spaced] }
        func missing(_ name: String) -> SwiftletError {
            SwiftletError(.malformed, "\(source): the decoder has no valid '\(name)'")
        }
        let type = json["type"]?.string ?? "\(json.kind)"
        switch type {
        case "ByteLevel": return [.byteLevel]
        case "ByteFallback": return [.byteFallback]
        case "Fuse": return [.fuse]
        case "WordPiece":
            guard let prefix = json["prefix"]?.bytes else { throw missing("prefix") }
            return [.wordPiece(prefix: prefix, tidies: json["cleanup"]?.bool ?? true)]
        case "BPEDecoder":
            guard let suffix = json["suffix"]?.bytes else { throw missing("suffix") }
            return [.bytePair(suffix: suffix)]
        case "CTC":
            guard let padding = json["pad_token"]?.bytes, let delimiter = json["word_delimiter_token"]?.bytes
            else { throw missing("pad_token and word_delimiter_token") }
            return [
                .temporal(
                    padding: padding, delimiter: delimiter, tidies: json["cleanup"]?.bool ?? true)
            ]
        case "Metaspace": return [try metaspace(json, source)]
        case "Strip":
            guard let content = json["content"]?.bytes, !content.isEmpty else { throw missing("content") }
            guard let start = json["start"]?.int, start >= 0 else { throw missing("start") }
            guard let stop = json["stop"]?.int, stop >= 0 else { throw missing("stop") }
            return [.strip(content: content, start: start, stop: stop)]
        case "Replace":
            guard let content = json["content"]?.bytes else { throw missing("content") }
            if let pattern = json["pattern"]?["String"]?.bytes {
                return [.replace(pattern: pattern, content: content)]
            }
            return [.replaceMatches(try Normalizer(json: json, source: source))]
        case "Sequence":
            guard let decoders = json["decoders"], decoders.kind == .array else { throw missing("decoders") }
            var steps: [Step] = []
            for decoder in decoders.elements { steps += try Self.steps(json: decoder, source: source) }
            return steps
        default:
            throw SwiftletError(
                .unsupported,
                """
                \(source): decoder '\(type)' is not supported, only ByteLevel, Metaspace, WordPiece, BPEDecoder, \
                ByteFallback, CTC, Fuse, Strip, Replace and Sequence
                """)
        }
    }

    private static func metaspace(_ json: JSON, _ source: String) throws(SwiftletError) -> Step {
        guard let replacement = json["replacement"]?.bytes, !replacement.isEmpty else {
            throw SwiftletError(.malformed, "\(source): the decoder has no valid 'replacement'")
        }
        let scheme = json["prepend_scheme"]?.string
        let adds = json["add_prefix_space"]?.bool ?? true
        return .metaspace(replacement: replacement, strips: scheme.map { $0 != "never" } ?? adds)
    }
}
