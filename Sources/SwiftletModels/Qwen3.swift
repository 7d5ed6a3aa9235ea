import SwiftletFormats
package import SwiftletTensor

/// Qwen3: the form of Llama with an RMS norm on every query and key head.
///
/// Source: Yang et al., 2025, arXiv:2505.09388, §2.
package enum Qwen3: Architecture {
    package static let names = ["qwen3"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var configuration: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            configuration = try GGUFMetadata(file: file, architecture: "qwen3").configuration(
                pairing: .halves)
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            configuration = try keys.decoder(
                "qwen3",
                defaults: .init(
                    innerSize: 22_016, kvHeadCount: 32, headSize: 128, contextLength: 32_768,
                    vocabularySize: 151_936))
            configuration.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
            configuration.hasOutputBias = configuration.hasQueryKeyValueBias
            configuration.windows = try keys.qwenWindows(layerCount: configuration.layerCount)
        }
        configuration.form.headNorm = .perHead
        return try configuration.validated(source: path)
    }
}
