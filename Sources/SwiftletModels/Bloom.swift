import SwiftletFormats
package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// BLOOM: ALiBi, a norm on embeddings, layer norms, biases everywhere.
///
/// Source: BigScience Workshop, 2022, arXiv:2211.05100, §3.2.
package enum Bloom: Architecture {
    package static let names = ["bloom"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            c = try GGUFMetadata(file: file, architecture: "bloom").configuration(pairing: .halves)
            c.stopRotating()
        case .directory(let directory):
            let keys = try ConfigurationReader(
                directory,
                aliases: [
                    "hidden_size": "n_embed", "num_hidden_layers": "n_layer", "num_attention_heads": "n_head",
                    "max_position_embeddings": "seq_length",
                ])
            path = keys.source
            try keys.require("apply_residual_connection_post_layernorm", false)
            c = try keys.decoder(
                "bloom",
                defaults: .init(
                    hiddenSize: 64, layerCount: 2, headCount: 8, contextLength: 2_048,
                    vocabularySize: 250_880, normEpsilon: 1e-5, normKey: "layer_norm_epsilon",
                    tiesEmbeddings: true, rotates: false))
            c.kvHeadCount = c.headCount
            c.innerSize = c.hiddenSize &* 4
            (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (true, true, true)
        }
        c.activation = .geluTanh
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.normalizesEmbeddings = true
        c.form.isGated = false
        c.form.position = .slopes(AlibiSlopes.bloom(c.headCount))
        return try c.validated(source: path)
    }

    package static func tensors(_ c: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.prefix = "transformer."
        map.otherPrefixes = [""]
        map.global = [
            "token_embd": "transformer.word_embeddings",
            "token_embd_norm": "transformer.word_embeddings_layernorm",
            "output_norm": "transformer.ln_f", "output": "lm_head",
        ]
        map.layerPrefix = "transformer.h"
        map.layer = [
            "attn_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm",
            "attn_output": "self_attention.dense", "ffn_up": "mlp.dense_h_to_4h",
            "ffn_down": "mlp.dense_4h_to_h",
        ]
        let width = c.headCount * c.headSize
        map.divide(
            "self_attention.query_key_value", ["attn_q": width, "attn_k": width, "attn_v": width],
            groups: c.headCount)
        return map
    }
}

/// What a position of distance costs each head.
///
/// Source: Press et al., 2022, arXiv:2108.12409, §3, and the two ways in which models extend it to numbers of heads that
/// are no power of two.
enum AlibiSlopes {
    /// The slopes of the next lower power of two, then every second one of the next higher.
    static func bloom(_ heads: Int) -> [Float] {
        guard heads > 0, heads <= 1 << 14 else { return [] }
        let power = 1 << (Int.bitWidth - 1 - heads.leadingZeroBitCount)
        let extra = geometric(2 * power, maximum: 8).enumerated().filter { $0.offset % 2 == 0 }
        return Array((geometric(power, maximum: 8) + extra.map(\.element)).prefix(heads))
    }

    /// Of the slopes of the next higher power of two every second one, then the others.
    static func mpt(_ heads: Int, maximum: Double) -> [Float] {
        guard heads > 0, heads <= 1 << 14 else { return [] }
        let power = heads == 1 ? 1 : 1 << (Int.bitWidth - (heads - 1).leadingZeroBitCount)
        let slopes = geometric(power, maximum: maximum)
        guard power != heads else { return slopes }
        let odd = slopes.indices.filter { $0 % 2 == 1 } + slopes.indices.filter { $0 % 2 == 0 }
        return odd.prefix(heads).map { slopes[$0] }
    }

    /// `2^(−maximum·i/heads)` for `i` from 1.
    private static func geometric(_ heads: Int, maximum: Double) -> [Float] {
        (1...heads).map { Float(pow(2, -maximum * Double($0) / Double(heads))) }
    }
}
