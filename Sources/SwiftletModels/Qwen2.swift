import SwiftletFormats
package import SwiftletTensor

/// Qwen2 and Qwen2.5: the form of Llama with biases on queries, keys and values.
///
/// Source: Yang et al., 2024, arXiv:2407.10671, §2.2.
package enum Qwen2: Architecture {
    package static let names = ["qwen2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try GGUFMetadata(file: file, architecture: "qwen2").configuration(pairing: .halves)
                .validated(source: file.path)
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var configuration = try keys.decoder(
                "qwen2",
                defaults: .init(
                    innerSize: 22_016, kvHeadCount: 32, contextLength: 32_768, vocabularySize: 151_936))
            configuration.hasQueryKeyValueBias = true
            configuration.windows = try keys.qwenWindows(layerCount: configuration.layerCount)
            return try configuration.validated(source: keys.source)
        }
    }
}

extension ConfigurationReader {
    /// Sliding windows of Qwen models: by `layer_types`, or from layer `max_window_layers` on; none unless
    /// `use_sliding_window` is set, but types that are not attention are never ignored.
    func qwenWindows(layerCount: Int) throws(SwiftletError) -> [Int?] {
        let isUsed = try bool("use_sliding_window") ?? false
        let given = json["sliding_window"] == nil ? 4_096 : try int("sliding_window")
        let window = isUsed ? given : nil
        let first = try int("max_window_layers") ?? 28
        return try windows(layerCount: layerCount, window: window) { $0 >= first }
    }
}
