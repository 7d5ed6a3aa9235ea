import SwiftletFormats
import SwiftletTensor

/// What the reference implementation of an architecture assumes where `config.json` is silent.
struct DecoderDefaults {
    var hiddenSize = 4_096
    var innerSize: Int
    var layerCount = 32
    var headCount = 32
    var kvHeadCount: Int?  // nil: as many as query heads
    var headSize: Int?  // nil: hiddenSize / headCount
    var contextLength: Int
    var vocabularySize: Int
    var normEpsilon = 1e-6
}

extension ConfigurationReader {
    /// The keys that all architectures of the Llama family share.
    func decoder(
        _ architecture: String, defaults: DecoderDefaults
    ) throws(SwiftletError) -> DecoderConfiguration {
        let hiddenSize = try int("hidden_size") ?? defaults.hiddenSize
        let headCount = try int("num_attention_heads") ?? defaults.headCount
        let layerCount = try int("num_hidden_layers") ?? defaults.layerCount
        guard headCount > 0, (1...1 << 14).contains(layerCount) else {
            throw SwiftletError(
                .malformed,
                "\(source): \(layerCount) layers of \(headCount) attention heads; expected positive numbers")
        }
        let givenHeadSize = try int("head_dim") ?? defaults.headSize
        guard givenHeadSize != nil || hiddenSize % headCount == 0 else {
            throw SwiftletError(
                .malformed,
                "\(source): the hidden size \(hiddenSize) is no multiple of \(headCount) heads; expected one, or "
                    + "'head_dim'")
        }
        let headSize = givenHeadSize ?? hiddenSize / headCount
        let contextLength = try int("max_position_embeddings") ?? defaults.contextLength
        guard (1...1 << 14).contains(headSize), contextLength > 0 else {
            throw SwiftletError(
                .malformed, "\(source): head size \(headSize), context length \(contextLength)")
        }
        return DecoderConfiguration(
            architecture: architecture,
            vocabularySize: try int("vocab_size") ?? defaults.vocabularySize, hiddenSize: hiddenSize,
            innerSize: try int("intermediate_size") ?? defaults.innerSize, layerCount: layerCount,
            headCount: headCount,
            kvHeadCount: try kvHeadCount(default: defaults.kvHeadCount) ?? headCount,
            headSize: headSize, contextLength: contextLength,
            normEpsilon: Float(try double("rms_norm_eps") ?? defaults.normEpsilon),
            rope: try rope(headSize: headSize, contextLength: contextLength),
            activation: try activation(), windows: Array(repeating: nil, count: layerCount),
            tiesEmbeddings: try bool("tie_word_embeddings") ?? false)
    }

    /// An absent key takes the architecture's default, a null means as many as query heads.
    private func kvHeadCount(default value: Int?) throws(SwiftletError) -> Int? {
        json["num_key_value_heads"] == nil ? value : try int("num_key_value_heads")
    }
}
