import SwiftletFormats
package import SwiftletTensor

/// OLMo 2: norms after the blocks instead of before, and over all queries and keys of a token.
///
/// Source: OLMo Team, 2024, arXiv:2501.00656, §2.
package enum OLMo2: Architecture {
    package static let names = ["olmo2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "olmo2")
            c = try keys.configuration(pairing: .halves, windowPeriod: 4)
            if c.windows.contains(where: { $0 != nil }) {
                throw SwiftletError(
                    .unsupported, "\(path): sliding windows of OLMo 3 are not supported; expected OLMo 2")
            }
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try keys.decoder(
                "olmo2",
                defaults: .init(
                    innerSize: 11_008, contextLength: 2_048, vocabularySize: 50_304, normEpsilon: 1e-5))
            c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
            c.hasOutputBias = c.hasQueryKeyValueBias
        }
        c.form.normPlace = .after
        c.form.headNorm = .whole
        return try c.validated(source: path)
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        .llama([
            "post_attention_norm": "post_attention_layernorm", "post_ffw_norm": "post_feedforward_layernorm",
        ])
    }
}
