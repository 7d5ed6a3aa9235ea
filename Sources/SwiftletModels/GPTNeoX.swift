import SwiftletFormats
package import SwiftletTensor

/// GPT-NeoX and Pythia: both blocks read the layer's input, each through its own norm.
///
/// Source: Black et al., 2022, arXiv:2204.06745, §2.1; Biderman et al., 2023, arXiv:2304.01373.
package enum GPTNeoX: Architecture {
    package static let names = ["gpt_neox", "gptneox"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        let isParallel: Bool
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "gptneox")
            c = try keys.configuration(pairing: .halves)
            isParallel = try keys.optionalBool("use_parallel_residual") ?? true
            c.activation = .gelu
        case .directory(let directory):
            let keys = try ConfigurationReader(
                directory, aliases: ["partial_rotary_factor": "rotary_pct", "rope_theta": "rotary_emb_base"])
            path = keys.source
            c = try keys.decoder(
                "gpt_neox",
                defaults: .init(
                    hiddenSize: 6_144, innerSize: 24_576, layerCount: 44, headCount: 64,
                    contextLength: 2_048, vocabularySize: 50_432, normEpsilon: 1e-5,
                    normKey: "layer_norm_eps", activation: "gelu", rotatedShare: 0.25))
            c.kvHeadCount = c.headCount
            let bias = try keys.bool("attention_bias") ?? true
            (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (bias, bias, true)
            isParallel = try keys.bool("use_parallel_residual") ?? true
        }
        c.form.residual = isParallel ? .parallel : .sequential
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.isGated = false
        return try c.validated(source: path)
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.prefix = "gpt_neox."
        map.otherPrefixes = [""]
        map.global = [
            "token_embd": "gpt_neox.embed_in", "output_norm": "gpt_neox.final_layer_norm",
            "output": "embed_out",
        ]
        map.layerPrefix = "gpt_neox.layers"
        map.layer = [
            "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
            "attn_output": "attention.dense", "ffn_up": "mlp.dense_h_to_4h", "ffn_down": "mlp.dense_4h_to_h",
        ]
        let width = c.headCount * c.headSize
        map.divide(
            "attention.query_key_value", ["attn_q": width, "attn_k": width, "attn_v": width],
            groups: c.headCount)
        return map
    }
}
