import SwiftletFormats
package import SwiftletTensor

/// Granite 3: Llama with factors on embeddings, scores, residuals and logits.
///
/// Source: Granite Team, 2024, "Granite 3.0 language models", §2.
package enum Granite: Architecture {
    package static let names = ["granite"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            let keys = GGUFMetadata(file: file, architecture: "granite")
            var c = try keys.configuration(pairing: .adjacent)
            c.form.attentionScale = try keys.factor("attention.scale")
            c.form.embeddingScale = try keys.factor("embedding_scale") ?? 1
            c.form.residualScale = try keys.factor("residual_scale") ?? 1
            c.form.logitScale = 1 / (try keys.factor("logit_scale") ?? 1)
            return try c.validated(source: file.path)
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            var c = try keys.decoder(
                "granite", defaults: .init(innerSize: 11_008, contextLength: 2_048, vocabularySize: 32_000))
            c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
            c.hasOutputBias = c.hasQueryKeyValueBias
            c.hasFeedForwardBias = try keys.bool("mlp_bias") ?? false
            c.form.attentionScale = Float(try keys.double("attention_multiplier") ?? 1)
            c.form.embeddingScale = Float(try keys.double("embedding_multiplier") ?? 1)
            c.form.residualScale = Float(try keys.double("residual_multiplier") ?? 1)
            c.form.logitScale = 1 / Float(try keys.double("logits_scaling") ?? 1)
            return try c.validated(source: keys.source)
        }
    }
}

extension GGUFMetadata {
    /// A factor; 0 counts as absent.
    func factor(_ key: String) throws(SwiftletError) -> Float? {
        try optionalDouble(key).flatMap { $0 == 0 ? nil : Float($0) }
    }
}
