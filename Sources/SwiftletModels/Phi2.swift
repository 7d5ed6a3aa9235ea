import SwiftletFormats
package import SwiftletTensor

/// Phi-1, 1.5 and 2: both blocks read the layer's input through one norm; biases everywhere.
///
/// Source: Li et al., 2023, arXiv:2309.05463, §2.1.
package enum Phi2: Architecture {
    package static let names = ["phi", "phi2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            c = try GGUFMetadata(file: file, architecture: "phi2").configuration(pairing: .halves)
            c.activation = .geluTanh
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try keys.decoder(
                "phi",
                defaults: .init(
                    hiddenSize: 2_048, innerSize: 8_192, layerCount: 24, contextLength: 2_048,
                    vocabularySize: 51_200, normEpsilon: 1e-5, normKey: "layer_norm_eps",
                    activation: "gelu_new", rotatedShare: 0.5))
            (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (true, true, true)
            c.form.hasLogitBias = true
            if try keys.bool("qk_layernorm") == true { c.form.headNorm = .perHead }
        }
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.headNormKind = .layer
        c.form.headNormsHaveBiases = true
        c.form.residual = .shared
        c.form.isGated = false
        return try c.validated(source: path)
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama([
            "attn_output": "self_attn.dense", "attn_q_norm": "self_attn.q_layernorm",
            "attn_k_norm": "self_attn.k_layernorm", "ffn_up": "mlp.fc1", "ffn_down": "mlp.fc2",
        ])
        map.global["output_norm"] = "model.final_layernorm"
        return map
    }
}
