import SwiftletFormats
package import SwiftletTensor

/// Falcon 7B, 40B, 180B and RW: projections stored together, layer norms, rotation or ALiBi.
///
/// Source: Almazrouei et al., 2023, arXiv:2311.16867, §4.
package enum Falcon: Architecture {
    package static let names = ["falcon"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "falcon")
            c = try keys.configuration(pairing: .halves)
            c.form.residual = keys.has("blk.0.attn_norm_2.weight") ? .parallel : .shared
            c.activation = .gelu
        case .directory(let directory):
            let keys = try ConfigurationReader(
                directory,
                aliases: [
                    "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                    "num_kv_heads": "n_head_kv", "intermediate_size": "ffn_hidden_size",
                ])
            path = keys.source
            c = try hub(keys)
        }
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.isGated = false
        return try c.validated(source: path)
    }

    private static func hub(_ keys: ConfigurationReader) throws(SwiftletError) -> DecoderConfiguration {
        let hasAlibi = try keys.bool("alibi") ?? false
        var c = try keys.decoder(
            "falcon",
            defaults: .init(
                hiddenSize: 4_544, headCount: 71, contextLength: 2_048, vocabularySize: 65_024,
                normEpsilon: 1e-5, normKey: "layer_norm_epsilon", activation: "gelu",
                activationKey: "activation", tiesEmbeddings: true, rotates: !hasAlibi))
        let isNew = try keys.bool("new_decoder_architecture") ?? false
        let isMultiQuery = try keys.bool("multi_query") ?? true
        let isParallel = try keys.bool("parallel_attn") ?? true
        if isNew {
            c.kvHeadCount = try keys.int("num_kv_heads") ?? c.headCount
        } else {
            c.kvHeadCount = isMultiQuery ? 1 : c.headCount
        }
        guard isParallel || !isNew else {
            throw SwiftletError(
                .unsupported,
                "\(keys.source): 'new_decoder_architecture' without 'parallel_attn' is not supported; expected both"
            )
        }
        let norms = try keys.int("num_ln_in_parallel_attn") ?? (isNew ? 2 : 1)
        c.form.residual = !isParallel ? .sequential : isNew && norms == 2 ? .parallel : .shared
        let bias = try keys.bool("bias") ?? false
        (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (bias, bias, bias)
        if hasAlibi {
            // What distance costs is scaled as the products are.
            c.form.position = .slopes(AlibiSlopes.bloom(c.headCount).map { $0 * c.attentionScale })
        }
        return c
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.prefix = "transformer."
        map.otherPrefixes = [""]
        map.global = [
            "token_embd": "transformer.word_embeddings", "output_norm": "transformer.ln_f",
            "output": "lm_head",
        ]
        map.layerPrefix = "transformer.h"
        let isPair = c.form.residual == .parallel
        map.layer = [
            "attn_norm": isPair ? "ln_attn" : "input_layernorm",
            "ffn_norm": isPair ? "ln_mlp" : "post_attention_layernorm",
            "attn_output": "self_attention.dense", "ffn_up": "mlp.dense_h_to_4h",
            "ffn_down": "mlp.dense_4h_to_h",
        ]
        let (width, kvWidth) = (c.headCount * c.headSize, c.kvHeadCount * c.headSize)
        map.divide(
            "self_attention.query_key_value", ["attn_q": width, "attn_k": kvWidth, "attn_v": kvWidth],
            groups: c.kvHeadCount)
        return map
    }

    /// Where a layer has two norms, the first in files is that of the feed-forward block.
    package static func ggufTensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.gguf(c)
        if c.form.residual == .parallel {
            map.layer = ["attn_norm": "attn_norm_2", "ffn_norm": "attn_norm"]
        }
        return map
    }
}
