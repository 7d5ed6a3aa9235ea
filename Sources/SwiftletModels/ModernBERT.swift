import SwiftletFormats
package import SwiftletTensor

/// ModernBERT: an encoder with norms before the blocks, gated feed-forward blocks, and windows in two of three layers,
/// which have a rotation of their own.
///
/// Source: Warner et al., 2024, arXiv:2412.13663, §2.1.
package enum ModernBERT: Architecture {
    package static let names = ["modernbert", "modern-bert"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            c = try gguf(GGUFMetadata(file: file, architecture: "modern-bert"))
        case .directory(let directory):
            let keys = try ConfigurationReader(directory, aliases: ["rope_theta": "global_rope_theta"])
            path = keys.source
            c = try hub(keys)
        }
        c.form.firstLayerHasAttentionNorm = false
        return try c.validated(source: path)
    }

    private static func hub(_ keys: ConfigurationReader) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            "modernbert",
            defaults: .init(
                hiddenSize: 768, innerSize: 1_152, layerCount: 22, headCount: 12, contextLength: 8_192,
                vocabularySize: 50_368, normEpsilon: 1e-5, normKey: "norm_eps", activation: "gelu",
                activationKey: "hidden_activation", ropeBase: 160_000))
        c.makeEncoder()
        c.form.normsHaveBiases = try keys.bool("norm_bias") ?? false
        c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
        c.hasOutputBias = c.hasQueryKeyValueBias
        c.hasFeedForwardBias = try keys.bool("mlp_bias") ?? false
        let period = max(try keys.int("global_attn_every_n_layers") ?? 3, 1)
        let reach = try (keys.int("local_attention") ?? 128) / 2
        c.windows = try keys.windows(layerCount: c.layerCount, window: 2 &* reach &+ 1) { $0 % period != 0 }
        let hasOwn = try keys.object("rope_parameters")?.object("sliding_attention") != nil
        let local =
            hasOwn
            ? try keys.rope(
                headSize: c.headSize, contextLength: c.contextLength, layerType: "sliding_attention")
            : Rope(base: try keys.double("local_rope_theta") ?? 10_000, rotatedSize: c.rope.pairs * 2)
        c.layerRopes = c.windows.map { $0 == nil ? nil : local }
        return c
    }

    private static func gguf(_ keys: GGUFMetadata) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.configuration(pairing: .halves)
        c.makeEncoder()
        c.form.normsHaveBiases = keys.has("output_norm.bias")
        c.activation = .gelu
        let period = max(try keys.optionalInt("attention.sliding_window_pattern") ?? 3, 1)
        let size = try keys.optionalInt("attention.sliding_window") ?? 0
        c.windows = c.windows.indices.map { size > 0 && $0 % period != 0 ? size / 2 * 2 + 1 : nil }
        let local = try keys.windowRope(headSize: c.headSize, pairing: .halves)
        c.layerRopes = c.windows.map { $0 == nil ? nil : local }
        return c
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.otherPrefixes = ["model."]
        map.global = [
            "token_embd": "embeddings.tok_embeddings", "token_embd_norm": "embeddings.norm",
            "output_norm": "final_norm",
        ]
        map.layerPrefix = "layers"
        map.layer = [
            "attn_norm": "attn_norm", "attn_output": "attn.Wo", "ffn_norm": "mlp_norm", "ffn_down": "mlp.Wo",
        ]
        let width = c.headCount * c.headSize
        map.divide("attn.Wqkv", ["attn_q": width, "attn_k": width, "attn_v": width])
        map.divide("mlp.Wi", ["ffn_gate": c.innerSize, "ffn_up": c.innerSize])
        return map
    }
}
