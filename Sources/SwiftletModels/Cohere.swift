import SwiftletFormats
package import SwiftletTensor

/// Command-R (Cohere) and Command-R7B (Cohere 2): both blocks read the layer's input through one norm without a bias,
/// and logits are scaled. In the second, layers with a window rotate and the others do not.
///
/// Source: Cohere, 2025, arXiv:2504.00698, §2.1.
package enum Cohere: Architecture {
    package static let names = ["cohere", "command-r", "cohere2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        let isSecond = try source.architectureName() == "cohere2"
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: isSecond ? "cohere2" : "command-r")
            c = try keys.configuration(pairing: .adjacent, windowPeriod: isSecond ? 4 : 1)
            c.form.logitScale = try keys.factor("logit_scale") ?? 1
            if keys.has("blk.0.attn_q_norm.weight") { c.form.headNorm = .eachHead }
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try keys.decoder(
                isSecond ? "cohere2" : "cohere",
                defaults: .init(
                    hiddenSize: 8_192, innerSize: 22_528, layerCount: 40, headCount: 64,
                    contextLength: 8_192, vocabularySize: 256_000, normEpsilon: 1e-5,
                    normKey: "layer_norm_eps", tiesEmbeddings: true, ropeBase: isSecond ? 10_000 : 500_000,
                    pairing: .adjacent))
            c.form.logitScale = Float(try keys.double("logit_scale") ?? 0.0625)
            c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
            c.hasOutputBias = c.hasQueryKeyValueBias
            if !isSecond, try keys.bool("use_qk_norm") == true { c.form.headNorm = .eachHead }
            if isSecond {
                let window = keys.mentions("sliding_window") ? try keys.int("sliding_window") : 4_096
                let (given, saved) = (
                    try keys.int("sliding_window_pattern"), try keys.int("_sliding_window_pattern")
                )
                let period = max(given ?? saved ?? 4, 1)
                c.windows = try keys.windows(layerCount: c.layerCount, window: window) {
                    ($0 + 1) % period != 0
                }
            }
        }
        if isSecond {
            let windows = c.windows
            c.rotate { windows[$0] != nil }
        }
        c.form.norm = .layer
        c.form.headNormKind = .layer
        c.form.residual = .shared
        return try c.validated(source: path)
    }
}
