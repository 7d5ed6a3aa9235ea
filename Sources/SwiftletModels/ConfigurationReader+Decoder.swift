import SwiftletFormats
import SwiftletTensor

/// What the reference implementation of an architecture assumes where `config.json` is silent.
struct DecoderDefaults {
    var hiddenSize = 4_096
    var innerSize: Int?  // nil: four times hiddenSize
    var layerCount = 32
    var headCount = 32
    var kvHeadCount: Int?  // nil: as many as query heads
    var headSize: Int?  // nil: hiddenSize / headCount
    var contextLength: Int
    var vocabularySize: Int
    var normEpsilon = 1e-6
    var normKey = "rms_norm_eps"
    var activation = "silu"
    var activationKey = "hidden_act"
    var tiesEmbeddings = false
    var ropeBase = 10_000.0
    var rotatedShare = 1.0
    var pairing = Rope.Pairing.halves
    /// Whether queries and keys rotate at all.
    var rotates = true
}

extension ConfigurationReader {
    /// The keys that most architectures share.
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
            innerSize: try int("intermediate_size") ?? defaults.innerSize ?? hiddenSize &* 4,
            layerCount: layerCount, headCount: headCount,
            kvHeadCount: try kvHeadCount(default: defaults.kvHeadCount) ?? headCount,
            headSize: headSize, contextLength: contextLength,
            normEpsilon: Float(try double(defaults.normKey) ?? defaults.normEpsilon),
            rope: defaults.rotates
                ? try rope(
                    headSize: headSize, contextLength: contextLength, defaultBase: defaults.ropeBase,
                    defaultShare: defaults.rotatedShare, layerType: "full_attention",
                    pairing: defaults.pairing) : Rope(base: 10_000, rotatedSize: 0),
            activation: try activation(defaults.activationKey, default: defaults.activation),
            windows: Array(repeating: nil, count: layerCount),
            tiesEmbeddings: try bool("tie_word_embeddings") ?? defaults.tiesEmbeddings)
    }

    /// An absent key takes the architecture's default, a null means as many as query heads.
    private func kvHeadCount(default value: Int?) throws(SwiftletError) -> Int? {
        mentions("num_key_value_heads") ? try int("num_key_value_heads") : value
    }

    /// The window of every layer: by `layer_types`, or by a rule of the architecture.
    func windows(
        layerCount: Int, window: Int?, isSliding: (_ layer: Int) -> Bool
    ) throws(SwiftletError) -> [Int?] {
        guard let types = try strings("layer_types") else {
            return (0..<layerCount).map { isSliding($0) ? window : nil }
        }
        var windows: [Int?] = []
        for type in types {
            switch type {
            case "full_attention": windows.append(nil)
            case "sliding_attention": windows.append(window)
            default:
                throw SwiftletError(
                    .unsupported,
                    "\(source): the layer type '\(type)' is not supported; expected full_attention or "
                        + "sliding_attention")
            }
        }
        return windows
    }
}
