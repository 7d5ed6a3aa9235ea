import SwiftletFormats
package import SwiftletTensor

/// Mistral 7B: the form of Llama with a sliding window.
///
/// GGUF files of Mistral models carry the architecture name `llama`.
/// Source: Jiang et al., 2023, arXiv:2310.06825, §2.
package enum Mistral: Architecture {
    package static let names = ["mistral"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try Llama.gguf(file, "mistral")
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var configuration = try keys.decoder(
                "mistral",
                defaults: .init(
                    innerSize: 14_336, kvHeadCount: 8, contextLength: 131_072, vocabularySize: 32_000))
            // The reference's default is 4096; a present null switches the window off.
            let window = keys.json["sliding_window"] == nil ? 4_096 : try keys.int("sliding_window")
            configuration.windows = Array(repeating: window, count: configuration.windows.count)
            return try configuration.validated(source: keys.source)
        }
    }
}
