import Foundation
import SwiftletFormats
import SwiftletTensor

/// What the files beside a vocabulary say: tokenizer_config.json, special_tokens_map.json, added_tokens.json,
/// chat_template.jinja and chat_template.json, each if it is there.
struct TokenizerConfiguration {
    var bos: [UInt8]?
    var eos: [UInt8]?
    /// Whether ``bos`` and ``eos`` go around a text, if a file says so.
    var addsBos: Bool?
    var addsEos: Bool?
    /// Whether text after a special token gets a space in front, if a file says so.
    var isLegacy: Bool?
    var addedTokens: [AddedToken] = []
    var chatTemplate: String?
    /// The pattern that splits text, for vocabularies in the format of tiktoken.
    var pattern: String?

    /// Knows nothing.
    init() {}

    /// Reads the files of a directory.
    init(directory: String) throws(SwiftletError) {
        if let json = try Self.file("tokenizer_config.json", in: directory) {
            bos = Self.text(json["bos_token"])
            eos = Self.text(json["eos_token"])
            addsBos = json["add_bos_token"]?.bool
            addsEos = json["add_eos_token"]?.bool
            isLegacy = json["legacy"]?.bool
            pattern = json["pat_str"]?.string
            chatTemplate = Self.template(json["chat_template"])
            try readAddedTokens(json["added_tokens_decoder"], source: "\(directory)/tokenizer_config.json")
        }
        if let json = try Self.file("special_tokens_map.json", in: directory) {
            bos = bos ?? Self.text(json["bos_token"])
            eos = eos ?? Self.text(json["eos_token"])
        }
        if let json = try Self.file("added_tokens.json", in: directory) { addNames(json) }
        if let json = try Self.file("chat_template.json", in: directory) {
            chatTemplate = Self.template(json["chat_template"]) ?? chatTemplate
        }
        let jinja = "\(directory)/chat_template.jinja"
        if FileManager.default.fileExists(atPath: jinja) {
            let file = try MappedFile(path: jinja)
            chatTemplate = withExtendedLifetime(file) { String(decoding: file.bytes, as: UTF8.self) }
        }
    }

    /// Adds the entries of `added_tokens_decoder`, by id.
    private mutating func readAddedTokens(_ json: JSON?, source: String) throws(SwiftletError) {
        guard let json else { return }
        var tokens: [AddedToken] = []
        for (key, value) in json.members {
            guard let id = key.string.flatMap(Int.init), id >= 0, id < Vocabulary.limit else {
                throw SwiftletError(
                    .malformed,
                    "\(source): '\(key.string ?? "")' in added_tokens_decoder is not the id of a token")
            }
            var token = try AddedToken(json: value, source: source)
            token.id = TokenID(id)
            tokens.append(token)
        }
        addedTokens = tokens.sorted { $0.id < $1.id }
    }

    /// Adds the entries of added_tokens.json that are not known yet, by id.
    private mutating func addNames(_ json: JSON) {
        let known = Set(addedTokens.map(\.content))
        for (key, value) in json.members {
            guard let content = key.bytes, !known.contains(content), let id = value.int, id >= 0,
                id < Vocabulary.limit
            else { continue }
            addedTokens.append(AddedToken(content: content, id: TokenID(id)))
        }
        addedTokens.sort { $0.id < $1.id }
    }

    private static func file(_ name: String, in directory: String) throws(SwiftletError) -> JSON? {
        let path = "\(directory)/\(name)"
        return FileManager.default.fileExists(atPath: path) ? try JSON.parse(contentsOf: path) : nil
    }

    /// A token's text, written as such or as an object with `content`.
    private static func text(_ json: JSON?) -> [UInt8]? { json?.bytes ?? json?["content"]?.bytes }

    /// A template, or the one named `default` of several.
    private static func template(_ json: JSON?) -> String? {
        guard let json else { return nil }
        if let text = json.string { return text }
        let named = json.elements.first { $0["name"]?.string == "default" } ?? json[0]
        return named?["template"]?.string
    }
}
