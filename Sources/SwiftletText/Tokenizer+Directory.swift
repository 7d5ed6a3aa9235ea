import Foundation
import SwiftletFormats
public import SwiftletTensor

extension Tokenizer {
    /// Loads the tokenizer of a model directory: tokenizer.json or else tokenizer.model.
    ///
    /// tokenizer_config.json, special_tokens_map.json, added_tokens.json, chat_template.jinja and
    /// chat_template.json are read if they are there.
    ///
    /// - Throws: ``SwiftletError/Code/missing`` if there is neither; ``SwiftletError/Code/malformed`` with the
    ///   file and what is wrong in it; ``SwiftletError/Code/unsupported`` for a kind of model, normaliser,
    ///   pre-tokenizer, post-processor or decoder that Swiftlet does not have.
    public static func load(directory: String) throws(SwiftletError) -> Tokenizer {
        let configuration = try TokenizerConfiguration(directory: directory)
        let json = "\(directory)/tokenizer.json"
        if FileManager.default.fileExists(atPath: json) {
            return try load(json: JSON.parse(contentsOf: json), source: json, configuration)
        }
        let model = "\(directory)/tokenizer.model"
        guard FileManager.default.fileExists(atPath: model) else {
            throw SwiftletError(
                .missing, "\(directory): has no tokenizer.json and no tokenizer.model, expected one of them")
        }
        return try load(sentencePiece: model, configuration)
    }

    /// Builds the tokenizer of a parsed tokenizer.json.
    static func load(
        json: JSON, source: String, _ configuration: TokenizerConfiguration
    ) throws(SwiftletError) -> Tokenizer {
        var reader = TokenizerJSON(json, source: source)
        return Tokenizer(try reader.load(configuration))
    }
}
