import SwiftletFormats
package import SwiftletTensor

/// nomic-embed-text: BERT with rotation, a gate and no biases.
///
/// Source: Nussbaum et al., 2024, arXiv:2402.01613, §3.
package enum NomicBERT: Architecture {
    package static let names = ["nomic_bert", "nomic-bert"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "nomic-bert")
            c = try keys.configuration(pairing: .halves)
            c.form.tokenTypeCount = keys.shape(of: "token_types.weight")?.first ?? 0
        case .directory(let directory):
            let keys = try ConfigurationReader(
                directory,
                aliases: [
                    "hidden_size": "n_embd", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                    "max_position_embeddings": "n_positions", "intermediate_size": "n_inner",
                    "layer_norm_eps": "layer_norm_epsilon", "hidden_act": "activation_function",
                    "rope_theta": "rotary_emb_base", "partial_rotary_factor": "rotary_emb_fraction",
                ])
            path = keys.source
            for (key, value) in [
                ("qkv_proj_bias", false), ("mlp_fc1_bias", false), ("mlp_fc2_bias", false),
                ("prenorm", false), ("causal", false), ("rotary_emb_interleaved", false),
            ] {
                try keys.require(key, value)
            }
            c = try keys.decoder(
                "nomic_bert",
                defaults: .init(
                    hiddenSize: 768, innerSize: 3_072, layerCount: 12, headCount: 12, contextLength: 2_048,
                    vocabularySize: 30_528, normEpsilon: 1e-12, normKey: "layer_norm_eps", ropeBase: 1_000))
            c.form.tokenTypeCount = try keys.int("type_vocab_size") ?? 2
        }
        c.activation = .silu
        c.makeEncoder()
        c.form.normPlace = .residual
        c.form.hasFinalNorm = false
        return try c.validated(source: path)
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.otherPrefixes = ["bert.", "nomic_bert."]
        map.global = [
            "token_embd": "embeddings.word_embeddings", "token_types": "embeddings.token_type_embeddings",
            "token_embd_norm": "emb_ln",
        ]
        map.layerPrefix = "encoder.layers"
        map.layer = [
            "attn_output": "attn.out_proj", "attn_output_norm": "norm1", "ffn_up": "mlp.fc11",
            "ffn_gate": "mlp.fc12", "ffn_down": "mlp.fc2", "layer_output_norm": "norm2",
        ]
        let width = c.headCount * c.headSize
        map.divide("attn.Wqkv", ["attn_q": width, "attn_k": width, "attn_v": width])
        return map
    }
}
