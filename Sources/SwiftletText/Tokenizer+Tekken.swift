import SwiftletFormats
import SwiftletTensor

/// Reads tekken.json, the format of Mistral's byte-pair vocabularies.
///
/// Special tokens come first: the id of a token is its rank plus their number.
///
/// Source: `tekken.py` of mistral-common 1.13 for the fields and for what holds where the file is silent.
private struct TekkenFile {
    private static let unnamed = 1000
    /// The first special tokens of files that do not list them.
    private static let names = [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]",
        "[TOOL_RESULTS]",
        "[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]",
        "[MIDDLE]",
        "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ]

    let json: JSON
    let source: String

    func load(_ configuration: TokenizerConfiguration) throws(SwiftletError) -> Tokenizer {
        guard let config = json["config"], config.kind == .object else {
            throw malformed("config", "an object")
        }
        guard let pattern = config["pattern"]?.string else { throw malformed("config.pattern", "a string") }
        let specialCount = try number(
            config["default_num_special_tokens"], "config.default_num_special_tokens")
        let size = try number(config["default_vocab_size"], "config.default_vocab_size")
        guard size >= specialCount else {
            throw malformed("config.default_vocab_size", "at least the \(specialCount) special tokens")
        }
        let tokens = try tokens(below: size - specialCount, offset: specialCount)
        let specials = RankedSpecials(
            tokens: try specials(specialCount), bos: Array("<s>".utf8), eos: Array("</s>".utf8), addsBos: true
        )
        let step = try PreTokenizerStep.split(at: pattern, .removed, inverted: true, source: source)
        return try RankedVocabulary(tokens, source: source).tokenizer(
            specials, splitting: step, configuration: configuration)
    }

    private func tokens(below limit: Int, offset: Int) throws(SwiftletError) -> [(
        id: TokenID, bytes: [UInt8]
    )] {
        guard let list = json["vocab"], list.kind == .array else { throw malformed("vocab", "a list") }
        var tokens: [(id: TokenID, bytes: [UInt8])] = []
        tokens.reserveCapacity(min(list.count, limit))
        for (index, entry) in list.elements.enumerated() {
            guard let rank = entry["rank"]?.int, rank >= 0, rank < Vocabulary.limit else {
                throw malformed("the rank of entry \(index) of vocab", "a number below \(Vocabulary.limit)")
            }
            guard let bytes = entry["token_bytes"]?.bytes.flatMap(Base64.decode) else {
                throw malformed("token_bytes of entry \(index) of vocab", "base 64")
            }
            if rank < limit { tokens.append((TokenID(rank + offset), bytes)) }
        }
        return tokens
    }

    private func specials(_ count: Int) throws(SwiftletError) -> [(text: [UInt8], id: TokenID)] {
        var texts: [[UInt8]?] = Array(repeating: nil, count: count)
        if let list = json["special_tokens"], !list.isNull {
            guard list.kind == .array else { throw malformed("special_tokens", "a list") }
            for (index, entry) in list.elements.enumerated() {
                guard let text = entry["token_str"]?.bytes, let rank = entry["rank"]?.int,
                    texts.indices.contains(rank)
                else {
                    throw malformed("entry \(index) of special_tokens", "token_str and a rank below \(count)")
                }
                texts[rank] = text
            }
        } else {
            for (rank, name) in Self.names.enumerated() where rank < count { texts[rank] = Array(name.utf8) }
        }
        return texts.enumerated().map { ($1 ?? Array("<SPECIAL_\($0)>".utf8), TokenID($0)) }
    }

    private func number(_ json: JSON?, _ name: String) throws(SwiftletError) -> Int {
        guard let json, !json.isNull else { return Self.unnamed }
        guard let value = json.int, value >= 0, value < Vocabulary.limit else {
            throw malformed(name, "a number below \(Vocabulary.limit)")
        }
        return value
    }

    private func malformed(_ field: String, _ expected: String) -> SwiftletError {
        SwiftletError(.malformed, "\(source): \(field) is missing or wrong, expected \(expected)")
    }
}

extension Tokenizer {
    /// Loads a tekken.json.
    static func load(tekken path: String, _ configuration: TokenizerConfiguration) throws(SwiftletError)
        -> Tokenizer
    {
        try TekkenFile(json: JSON.parse(contentsOf: path), source: path).load(configuration)
    }
}
