import Foundation
import SwiftletFormats
public import SwiftletTensor

extension Tokenizer {
    /// Loads the tokenizer of a model directory: tokenizer.json, else tekken.json, else tokenizer.model, which may
    /// be a SentencePiece model or a list of ranks, else a single file that ends in .tiktoken, or tiktoken.model.
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
        let tekken = "\(directory)/tekken.json"
        if FileManager.default.fileExists(atPath: tekken) { return try load(tekken: tekken, configuration) }
        let model = "\(directory)/tokenizer.model"
        if FileManager.default.fileExists(atPath: model) {
            let file = try MappedFile(path: model)
            let isRanked = withExtendedLifetime(file) { TiktokenFile.isLikely(file.bytes) }
            return isRanked
                ? try load(tiktoken: model, configuration) : try load(sentencePiece: model, configuration)
        }
        let names = (try? System.names(in: directory)) ?? []
        let ranked = names.filter { $0.hasSuffix(".tiktoken") || $0 == "tiktoken.model" }.sorted()
        guard let name = ranked.first else {
            throw SwiftletError(
                .missing,
                "\(directory): has no tokenizer.json and no tokenizer.model, and no tekken.json and no .tiktoken file, "
                    + "expected one of them")
        }
        guard ranked.count == 1 else {
            throw SwiftletError(
                .invalidArgument,
                "\(directory): holds several vocabularies, expected one of \(ranked.joined(separator: ", "))")
        }
        return try load(tiktoken: "\(directory)/\(name)", configuration)
    }

    /// Builds the tokenizer of a parsed tokenizer.json.
    static func load(
        json: JSON, source: String, _ configuration: TokenizerConfiguration
    ) throws(SwiftletError) -> Tokenizer {
        var reader = TokenizerJSON(json, source: source)
        return Tokenizer(try reader.load(configuration))
    }
}
