import SwiftletFormats
package import SwiftletTensor

/// BERT, MiniLM, E5, BGE, and RoBERTa with its descendants: encoders with learned positions, whose norms follow the
/// residuals.
///
/// Source: Devlin et al., 2019, arXiv:1810.04805, §3; Liu et al., 2019, arXiv:1907.11692.
package enum BERT: Architecture {
    package static let names = ["bert", "roberta", "xlm-roberta"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            let keys = GGUFMetadata(file: file, architecture: "bert")
            c = try keys.configuration(pairing: .halves)
            c.form.tokenTypeCount = keys.shape(of: "token_types.weight")?.first ?? 0
            c.form.position = .learned(count: keys.shape(of: "position_embd.weight")?.first ?? 0, offset: 0)
            c.activation = .gelu
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try hub(keys, isRoberta: source.architectureName() != "bert")
        }
        c.stopRotating()
        c.makeEncoder()
        c.form.normPlace = .residual
        c.form.hasFinalNorm = false
        c.form.isGated = false
        return try c.validated(source: path)
    }

    private static func hub(
        _ keys: ConfigurationReader, isRoberta: Bool
    ) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            "bert",
            defaults: .init(
                hiddenSize: 768, innerSize: 3_072, layerCount: 12, headCount: 12, contextLength: 512,
                vocabularySize: 30_522, normEpsilon: 1e-12, normKey: "layer_norm_eps", activation: "gelu",
                rotates: false))
        try keys.require("is_decoder", false)
        try keys.require("add_cross_attention", false)
        let kind = try keys.string("position_embedding_type") ?? "absolute"
        guard kind == "absolute" else {
            throw SwiftletError(
                .unsupported,
                "\(keys.source): 'position_embedding_type' is '\(kind)', which is not supported; expected absolute"
            )
        }
        (c.hasQueryKeyValueBias, c.hasOutputBias, c.hasFeedForwardBias) = (true, true, true)
        c.form.tokenTypeCount = try keys.int("type_vocab_size") ?? 2
        // Positions of RoBERTa begin behind that of padding.
        let offset = isRoberta ? (try keys.int("pad_token_id") ?? 1) + 1 : 0
        c.form.position = .learned(count: c.contextLength, offset: offset)
        c.contextLength = max(c.contextLength - max(offset, 0), 1)
        return c
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap()
        map.otherPrefixes = ["bert.", "roberta."]
        map.global = [
            "token_embd": "embeddings.word_embeddings", "token_types": "embeddings.token_type_embeddings",
            "position_embd": "embeddings.position_embeddings", "token_embd_norm": "embeddings.LayerNorm",
        ]
        map.layerPrefix = "encoder.layer"
        map.layer = [
            "attn_q": "attention.self.query", "attn_k": "attention.self.key",
            "attn_v": "attention.self.value", "attn_output": "attention.output.dense",
            "attn_output_norm": "attention.output.LayerNorm", "ffn_up": "intermediate.dense",
            "ffn_down": "output.dense", "layer_output_norm": "output.LayerNorm",
        ]
        return map
    }
}

extension DecoderConfiguration {
    /// What all encoders share: every token sees every other, embeddings are normalised, there are no logits.
    mutating func makeEncoder() {
        form.isBidirectional = true
        form.norm = .layer
        form.normsHaveBiases = true
        form.normalizesEmbeddings = true
        tiesEmbeddings = true
        kvHeadCount = headCount
    }
}
