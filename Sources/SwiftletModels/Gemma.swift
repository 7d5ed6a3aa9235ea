import SwiftletFormats
package import SwiftletTensor

/// Gemma 1 to 3, text only: norms whose stored weight lies 1 below, scaled embeddings, since the second also norms after
/// each block, capped scores and logits, and windows in most layers, since the third norms on heads and two rotations.
///
/// Source: Gemma Team, 2024, arXiv:2403.08295; 2024, arXiv:2408.00118, §2; 2025, arXiv:2503.19786, §2.
package enum Gemma: Architecture {
    package static let names = ["gemma", "gemma2", "gemma3", "gemma3_text"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try gguf(GGUFMetadata(file: file, architecture: source.architectureName())).validated(
                source: file.path)
        case .directory(let directory):
            var keys = try ConfigurationReader(directory)
            let version = try source.architectureName()
            if version == "gemma3", let text = try keys.object("text_config") { keys = text }
            return try hub(keys, version).validated(source: keys.source)
        }
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        guard configuration.form.normPlace == .around else { return .llama }
        return .llama([
            "post_attention_norm": "post_attention_layernorm", "ffn_norm": "pre_feedforward_layernorm",
            "post_ffw_norm": "post_feedforward_layernorm",
        ])
    }

    private static func hub(
        _ keys: ConfigurationReader, _ version: String
    ) throws(SwiftletError) -> DecoderConfiguration {
        if version == "gemma" {
            var c = try keys.decoder(
                "gemma",
                defaults: .init(
                    hiddenSize: 3_072, innerSize: 24_576, layerCount: 28, headCount: 16, kvHeadCount: 16,
                    headSize: 256, contextLength: 8_192, vocabularySize: 256_000,
                    activation: "gelu_pytorch_tanh", tiesEmbeddings: true))
            try finish(&c, keys)
            return c
        }
        let isThird = version != "gemma2"
        var c = try keys.decoder(
            isThird ? "gemma3" : "gemma2",
            defaults: .init(
                hiddenSize: 2_304, innerSize: 9_216, layerCount: 26, headCount: 8, kvHeadCount: 4,
                headSize: 256, contextLength: isThird ? 131_072 : 8_192,
                vocabularySize: isThird ? 262_208 : 256_000, activation: "gelu_pytorch_tanh",
                activationKey: "hidden_activation", tiesEmbeddings: true,
                ropeBase: isThird ? 1_000_000 : 10_000))
        try finish(&c, keys)
        c.form.normPlace = .around
        c.form.attentionScale = 1 / Float(try keys.double("query_pre_attn_scalar") ?? 256).squareRoot()
        // The third version has the key, too, but does not go by it.
        c.form.scoreCap = isThird ? nil : try keys.cap("attn_logit_softcapping", default: 50)
        c.form.logitCap = try keys.cap("final_logit_softcapping", default: isThird ? nil : 30)
        try keys.require("use_bidirectional_attention", false)
        let (given, saved) = (
            try keys.int("sliding_window_pattern"), try keys.int("_sliding_window_pattern")
        )
        let period = max(given ?? saved ?? (isThird ? 6 : 2), 1)
        let window = keys.mentions("sliding_window") ? try keys.int("sliding_window") : 4_096
        c.windows = try keys.windows(layerCount: c.layerCount, window: window) { ($0 + 1) % period != 0 }
        guard isThird else { return c }
        c.form.headNorm = .perHead
        let hasOwn = try keys.object("rope_parameters")?.object("sliding_attention") != nil
        let local =
            hasOwn
            ? try keys.rope(
                headSize: c.headSize, contextLength: c.contextLength, layerType: "sliding_attention")
            : Rope(base: try keys.double("rope_local_base_freq") ?? 10_000, rotatedSize: c.rope.pairs * 2)
        c.layerRopes = c.windows.map { $0 == nil ? nil : local }
        return c
    }

    /// What all versions share.
    private static func finish(
        _ c: inout DecoderConfiguration, _ keys: ConfigurationReader
    ) throws(SwiftletError) {
        c.form.normOffset = 1
        c.form.embeddingScale = Float(c.hiddenSize).squareRoot()
        c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
        c.hasOutputBias = c.hasQueryKeyValueBias
    }

    private static func gguf(_ keys: GGUFMetadata) throws(SwiftletError) -> DecoderConfiguration {
        let isThird = keys.architecture.hasPrefix("gemma3")
        let period = isThird ? 6 : keys.architecture == "gemma2" ? 2 : 1
        var c = try keys.configuration(pairing: .halves, windowPeriod: period)
        c.activation = .geluTanh
        c.form.embeddingScale = Float(c.hiddenSize).squareRoot()
        guard period > 1 else { return c }
        c.form.normPlace = .around
        // The largest model of each version scales by another size, which no key says.
        if c.layerCount == (isThird ? 62 : 46) {
            c.form.attentionScale = 1 / Float(c.hiddenSize / c.headCount).squareRoot()
        }
        c.form.logitCap = try keys.cap("final_logit_softcapping", default: isThird ? nil : 30)
        if isThird {
            c.form.headNorm = .perHead
            let local = try keys.windowRope(headSize: c.headSize, pairing: .halves, defaultBase: 10_000)
            c.layerRopes = c.windows.map { $0 == nil ? nil : local }
        } else {
            c.form.scoreCap = try keys.cap("attn_logit_softcapping", default: 50)
        }
        return c
    }
}

extension ConfigurationReader {
    /// A cap: none if the file says null or 0.
    fileprivate func cap(_ key: String, default value: Double?) throws(SwiftletError) -> Float? {
        let cap = mentions(key) ? try double(key) : value
        return cap.flatMap { $0 == 0 ? nil : Float($0) }
    }
}

extension GGUFMetadata {
    fileprivate func cap(_ key: String, default value: Double?) throws(SwiftletError) -> Float? {
        (try optionalDouble(key) ?? value).flatMap { $0 == 0 ? nil : Float($0) }
    }
}
