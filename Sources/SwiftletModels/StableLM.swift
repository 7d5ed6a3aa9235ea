import SwiftletFormats
package import SwiftletTensor

/// StableLM 2 and StableLM 3B: Llama with layer norms that have biases, and a part of every head that rotates.
///
/// Source: Bellagente et al., 2024, arXiv:2402.17834, §2.
package enum StableLM: Architecture {
    package static let names = ["stablelm"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "stablelm")
            c = try keys.configuration(pairing: .halves)
            if !keys.has("blk.0.ffn_norm.weight") { c.form.residual = .shared }
            if keys.has("blk.0.attn_q_norm.weight") { c.form.headNorm = .eachHead }
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try keys.decoder(
                "stablelm",
                defaults: .init(
                    hiddenSize: 2_560, innerSize: 6_912, kvHeadCount: 32, contextLength: 4_096,
                    vocabularySize: 50_304, normEpsilon: 1e-5, normKey: "layer_norm_eps",
                    rotatedShare: 0.25))
            c.hasQueryKeyValueBias = try keys.bool("use_qkv_bias") ?? false
            if try keys.bool("use_parallel_residual") == true { c.form.residual = .shared }
            if try keys.bool("qk_layernorm") == true { c.form.headNorm = .eachHead }
        }
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.headNormKind = .layer
        return try c.validated(source: path)
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama
        map.stacked = [
            "attn_q_norm": "self_attn.q_layernorm.norms.*", "attn_k_norm": "self_attn.k_layernorm.norms.*",
        ]
        return map
    }
}
