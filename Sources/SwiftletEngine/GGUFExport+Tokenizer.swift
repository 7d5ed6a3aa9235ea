import SwiftletFormats
package import SwiftletModels
package import SwiftletTensor
import SwiftletText

extension GGUFExport {
    /// Plans a GGUF file that holds the model's tokenizer too, if it has one.
    ///
    /// See ``GGUFExport/init(_:tokenizer:format:)`` and ``GGUFTokenizerExport``.
    package init(
        _ source: ModelSource, format: (Weight) throws(SwiftletError) -> NumberFormat?
    ) throws(SwiftletError) {
        guard case .directory(let directory) = source else {
            try self.init(source, tokenizer: [], format: format)
            return
        }
        // Loading checks that the vocabulary is as large as the configuration says.
        let model = try ModelRegistry.architecture(of: source).load(source)
        let tokenizer = try GGUFTokenizerExport.metadata(
            of: directory, vocabularySize: model.configuration.vocabularySize)
        try self.init(
            source, tokenizer: try Self.pooling(source, model.configuration) + tokenizer, format: format)
    }

    /// The key that says how states become an embedding, if the directory says it.
    private static func pooling(
        _ source: ModelSource, _ configuration: DecoderConfiguration
    ) throws(SwiftletError) -> [(key: String, value: GGUFValue)] {
        guard let pooling = try EmbeddingDefaults(of: source).pooling else { return [] }
        let name = GGUFModelKeys.architecture(of: configuration)
        return [("\(name).pooling_type", GGUFValue(pooling.fileNumber))]
    }
}
