import SwiftletFormats
package import SwiftletTensor

/// MPT: ALiBi, norms and projections without biases.
///
/// Source: MosaicML, 2023, "Introducing MPT-7B", databricks.com/blog/mpt-7b.
package enum MPT: Architecture {
    package static let names = ["mpt"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "mpt")
            c = try keys.configuration(pairing: .halves)
            let maximum = try keys.optionalDouble("attention.max_alibi_bias") ?? 0
            guard maximum > 0, !keys.has("blk.0.attn_norm.bias"), !keys.has("blk.0.attn_q_norm.weight") else {
                throw SwiftletError(
                    .unsupported,
                    "\(path): an MPT model with learned positions, biases or norms on queries is not supported; "
                        + "expected ALiBi")
            }
            c.form.position = .slopes(AlibiSlopes.mpt(c.headCount, maximum: maximum))
            c.form.projectionLimit = try keys.factor("attention.clamp_kqv")
            c.stopRotating()
        case .directory(let directory):
            let keys = try ConfigurationReader(
                directory,
                aliases: [
                    "hidden_size": "d_model", "num_hidden_layers": "n_layers",
                    "num_attention_heads": "n_heads", "max_position_embeddings": "max_seq_len",
                ])
            path = keys.source
            c = try hub(keys)
        }
        c.activation = .gelu
        c.form.norm = .layer
        c.form.isGated = false
        return try c.validated(source: path)
    }

    private static func hub(_ keys: ConfigurationReader) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            "mpt",
            defaults: .init(
                hiddenSize: 2_048, layerCount: 24, headCount: 16, contextLength: 2_048,
                vocabularySize: 50_368, normEpsilon: 1e-5, normKey: "layer_norm_epsilon",
                tiesEmbeddings: true, rotates: false))
        c.kvHeadCount = c.headCount
        c.innerSize = c.hiddenSize &* 4  // as the reference has it, whatever 'expansion_ratio' says
        try keys.require("no_bias", true)
        if try keys.double("logit_scale") != nil {
            throw SwiftletError(.unsupported, "\(keys.source): 'logit_scale' is not supported; expected null")
        }
        let attention = try keys.object("attn_config")
        for (key, value) in [("alibi", true), ("qk_ln", false), ("prefix_lm", false)] {
            try attention?.require(key, value)
        }
        c.form.attentionScale = try attention?.double("softmax_scale").map { Float($0) }
        c.form.projectionLimit = try attention?.double("clip_qkv").flatMap { $0 == 0 ? nil : Float($0) }
        // As the reference has it, whatever 'alibi_bias_max' says.
        c.form.position = .slopes(AlibiSlopes.mpt(c.headCount, maximum: 8))
        return c
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.prefix = "transformer."
        map.otherPrefixes = [""]
        map.global = [
            "token_embd": "transformer.wte", "output_norm": "transformer.norm_f", "output": "lm_head",
        ]
        map.layerPrefix = "transformer.blocks"
        map.layer = [
            "attn_norm": "norm_1", "ffn_norm": "norm_2", "attn_output": "attn.out_proj",
            "ffn_up": "ffn.up_proj", "ffn_down": "ffn.down_proj",
        ]
        let width = c.hiddenSize
        map.divide("attn.Wqkv", ["attn_q": width, "attn_k": width, "attn_v": width])
        return map
    }
}
