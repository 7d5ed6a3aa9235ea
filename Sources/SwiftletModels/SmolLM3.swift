import SwiftletFormats
package import SwiftletTensor

/// SmolLM3: Llama in which every fourth layer does not rotate.
///
/// Source: Bakouch et al., 2025, "SmolLM3: smol, multilingual, long-context reasoner", huggingface.co/blog/smollm3.
package enum SmolLM3: Architecture {
    package static let names = ["smollm3"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            var c = try GGUFMetadata(file: file, architecture: "smollm3").configuration(pairing: .adjacent)
            c.rotate { ($0 + 1) % 4 != 0 }
            return try c.validated(source: file.path)
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var c = try keys.decoder(
                "smollm3",
                defaults: .init(
                    hiddenSize: 2_048, innerSize: 11_008, layerCount: 36, headCount: 16, kvHeadCount: 4,
                    contextLength: 32_768, vocabularySize: 128_256, tiesEmbeddings: true,
                    ropeBase: 2_000_000))
            c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
            c.hasOutputBias = c.hasQueryKeyValueBias
            c.hasFeedForwardBias = try keys.bool("mlp_bias") ?? false
            let interval = max(try keys.int("no_rope_layer_interval") ?? 4, 1)
            let given = try keys.ints("no_rope_layers")
            let flags = given ?? (0..<c.layerCount).map { ($0 + 1) % interval == 0 ? 0 : 1 }
            guard flags.count == c.layerCount else {
                throw SwiftletError(
                    .malformed,
                    "\(keys.source): 'no_rope_layers' lists \(flags.count) layers, not \(c.layerCount)")
            }
            c.rotate { flags[$0] != 0 }
            let isUsed = try keys.bool("use_sliding_window") ?? false
            // Layers that are listed have their window in any case.
            let window = isUsed || keys.mentions("layer_types") ? try keys.int("sliding_window") : nil
            c.windows = try keys.windows(layerCount: c.layerCount, window: window) { flags[$0] != 0 }
            return try c.validated(source: keys.source)
        }
    }
}

extension DecoderConfiguration {
    /// Lets only some layers rotate.
    mutating func rotate(_ isRotated: (_ layer: Int) -> Bool) {
        let still = Rope(base: 10_000, rotatedSize: 0, pairing: rope.pairing)
        layerRopes = (0..<min(max(layerCount, 0), 1 << 14)).map { isRotated($0) ? nil : still }
    }
}
