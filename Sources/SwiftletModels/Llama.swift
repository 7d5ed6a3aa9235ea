import SwiftletFormats
package import SwiftletTensor

/// Llama 1 to 3, and what shares their form, such as SmolLM and SmolLM2.
///
/// GGUF files of Mixtral models carry the same architecture name, and have experts.
/// Source: Touvron et al., 2023, arXiv:2302.13971; Grattafiori et al., 2024, arXiv:2407.21783, §3.2.
package enum Llama: Architecture {
    package static let names = ["llama"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try gguf(file, "llama")
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var configuration = try keys.decoder(
                "llama", defaults: .init(innerSize: 11_008, contextLength: 2_048, vocabularySize: 32_000))
            configuration.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
            configuration.hasOutputBias = configuration.hasQueryKeyValueBias
            configuration.hasFeedForwardBias = try keys.bool("mlp_bias") ?? false
            return try configuration.validated(source: keys.source)
        }
    }

    /// Converters interleave the rows of queries and keys, so that adjacent dimensions form a pair.
    static func gguf(_ file: GGUFFile, _ name: String) throws(SwiftletError) -> DecoderConfiguration {
        var configuration = try GGUFMetadata(file: file, architecture: name).configuration(
            pairing: .adjacent)
        configuration.form.experts?.normalizes = true
        return try configuration.validated(source: file.path)
    }
}
