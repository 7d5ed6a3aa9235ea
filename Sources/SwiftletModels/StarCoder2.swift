import SwiftletFormats
package import SwiftletTensor

/// StarCoder2: layer norms, biases and a feed-forward block without a gate.
///
/// Source: Lozhkov et al., 2024, arXiv:2402.19173, §6.
package enum StarCoder2: Architecture {
    package static let names = ["starcoder2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            c = try GGUFMetadata(file: file, architecture: "starcoder2").configuration(pairing: .halves)
            c.activation = .geluTanh
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try keys.decoder(
                "starcoder2",
                defaults: .init(
                    hiddenSize: 3_072, innerSize: 12_288, layerCount: 30, headCount: 24, kvHeadCount: 2,
                    contextLength: 4_096, vocabularySize: 49_152, normEpsilon: 1e-5, normKey: "norm_epsilon",
                    activation: "gelu_pytorch_tanh", tiesEmbeddings: true))
            let bias = try keys.bool("use_bias") ?? true
            (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (bias, bias, bias)
            c.windows = Array(repeating: try keys.int("sliding_window"), count: c.layerCount)
        }
        c.form.norm = .layer
        c.form.normsHaveBiases = true
        c.form.isGated = false
        return try c.validated(source: path)
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        .llama(["ffn_up": "mlp.c_fc", "ffn_down": "mlp.c_proj"])
    }
}
