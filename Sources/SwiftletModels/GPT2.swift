import SwiftletFormats
package import SwiftletTensor

/// GPT-2: learned positions, layer norms, a feed-forward block without a gate.
///
/// Checkpoints store matrices as `[inputs, outputs]`, and queries, keys and values as one.
/// Source: Radford et al., 2019, "Language models are unsupervised multitask learners", §2.3.
package enum GPT2: Architecture {
    package static let names = ["gpt2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "gpt2")
            c = try keys.configuration(pairing: .halves)
            c.form.position = .learned(count: keys.shape(of: "position_embd.weight")?.first ?? 0, offset: 0)
            c.activation = .geluTanh
        case .directory(let directory):
            let keys = try ConfigurationReader(
                directory,
                aliases: [
                    "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                    "max_position_embeddings": "n_positions", "intermediate_size": "n_inner",
                ])
            path = keys.source
            c = try keys.decoder(
                "gpt2",
                defaults: .init(
                    hiddenSize: 768, layerCount: 12, headCount: 12, contextLength: 1_024,
                    vocabularySize: 50_257, normEpsilon: 1e-5, normKey: "layer_norm_epsilon",
                    activation: "gelu_new", activationKey: "activation_function", tiesEmbeddings: true,
                    rotates: false))
            try keys.require("add_cross_attention", false)
            if try keys.bool("scale_attn_weights") == false { c.form.attentionScale = 1 }
            c.form.dividesScoresByLayer = try keys.bool("scale_attn_by_inverse_layer_idx") ?? false
            (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (true, true, true)
            c.form.position = .learned(count: c.contextLength, offset: 0)
        }
        c.kvHeadCount = c.headCount
        c.stopRotating()
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.isGated = false
        return try c.validated(source: path)
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.prefix = "transformer."
        map.otherPrefixes = [""]
        map.global = [
            "token_embd": "transformer.wte", "position_embd": "transformer.wpe",
            "output_norm": "transformer.ln_f", "output": "lm_head",
        ]
        map.layerPrefix = "transformer.h"
        map.layer = [
            "attn_norm": "ln_1", "ffn_norm": "ln_2", "attn_output": "attn.c_proj", "ffn_up": "mlp.c_fc",
            "ffn_down": "mlp.c_proj",
        ]
        let width = c.hiddenSize
        map.divide("attn.c_attn", ["attn_q": width, "attn_k": width, "attn_v": width])
        map.transposed = ["attn.c_attn", "attn_output", "ffn_up", "ffn_down"]
        return map
    }
}

extension DecoderConfiguration {
    /// Leaves queries and keys as they are.
    mutating func stopRotating() {
        rope = Rope(base: 10_000, rotatedSize: 0)
        layerRopes = []
    }
}
