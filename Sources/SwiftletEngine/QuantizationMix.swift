import SwiftletFormats
import SwiftletModels
import SwiftletTensor

/// Which format each matrix of a model gets in a file of a ``QuantizationType``.
///
/// Values, the way back from the feed-forward block and the output matrix get more bits than the rest, in some
/// types only in the layers where it pays: the first and last eighth and every third between.
///
/// Source: the rules of llama-quantize without an importance matrix (github.com/ggml-org/llama.cpp,
/// `llama_tensor_get_type`), 2026; its exceptions for the architecture Falcon are left out.
struct QuantizationMix {
    /// What the rules ask about a model.
    struct Facts {
        var architecture = ""
        var layerCount = 0
        /// Heads of queries, and of keys and values.
        var headCount = 1, kvHeadCount = 1
        var expertCount = 0

        /// Query heads that share a key head.
        var sharing: Int { headCount / max(kvHeadCount, 1) }

        /// Whether its values are so few for their use that they always get five bits.
        var isLlama70B: Bool {
            guard layerCount == 80 else { return false }
            return ["qwen2", "olmo", "deci"].contains(architecture)
                || (architecture == "llama" && headCount != kvHeadCount)
        }
    }

    /// What a matrix does, as far as the rules care.
    enum Role {
        case embedding, output, value, key, attentionOutput, down, other

        init(_ name: String) {
            func holds(_ parts: String...) -> Bool { parts.contains(where: name.contains) }
            self =
                switch name {
                case "output.weight": .output
                case "token_embd.weight", "per_layer_token_embd.weight": .embedding
                case _ where holds("attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight"): .value
                case _ where holds("attn_k.weight"): .key
                case _ where holds("attn_q.weight"): .other
                case _ where holds("attn_output.weight"): .attentionOutput
                case _ where holds("ffn_up", "ffn_gate"): .other
                case _ where holds("ffn_down"): .down
                default: .other
                }
        }
    }

    private let type: QuantizationType
    private let facts: Facts
    /// Formats by name.
    private(set) var formats: [String: NumberFormat] = [:]

    /// - Parameters:
    ///   - columns: numbers per row of each matrix, by name.
    ///   - isTied: whether the embedding is the output matrix.
    init(_ type: QuantizationType, _ facts: Facts, columns: [String: Int], isTied: Bool) {
        (self.type, self.facts) = (type, facts)
        let names = columns.keys.map { ($0, Role($0), Self.layer(of: $0)) }
            .sorted { ($0.2 ?? -1, $0.0) < ($1.2 ?? -1, $1.0) }
        let values = names.count { $0.1 == .value }
        var (value, down) = (0, 0)
        for (name, role, layer) in names {
            let width = columns[name] ?? 0
            if type == .mxfp4_moe {
                formats[name] = name.contains("_exps.") ? .mxfp4 : .q8_0
                continue
            }
            switch role {
            case .output: formats[name] = output(columns: width)
            case .embedding: formats[name] = isTied ? output(columns: width) : embedding
            case .value:
                formats[name] = self.value(value, of: values)
                value += 1
            case .down:
                // Experts have several matrices per layer, so that counting them does not count layers.
                formats[name] = self.down(facts.expertCount > 1 ? layer ?? 0 : down)
                down += 1
            case .key: formats[name] = facts.expertCount == 8 ? .q8_0 : type.format
            case .attentionOutput: formats[name] = attentionOutput
            case .other: formats[name] = type.format
            }
        }
    }

    /// The number in `blk.7.`, or `nil`.
    private static func layer(of name: String) -> Int? {
        let parts = name.split(separator: ".", maxSplits: 2)
        return parts.count == 3 && parts[0] == "blk" ? Int(parts[1]) : nil
    }

    private func output(columns: Int) -> NumberFormat {
        type == .q8_0 || columns % type.format.blockElements != 0 ? .q8_0 : .q6_K
    }

    private var embedding: NumberFormat {
        type == .tq1_0 || type == .tq2_0 ? .q4_K : type.format
    }

    /// Whether item `index` of `count` is one of those that get more bits.
    private func isSensitive(_ index: Int, of count: Int) -> Bool {
        index < count / 8 || index >= 7 * count / 8 || (index - count / 8) % 3 == 2
    }

    private func value(_ index: Int, of count: Int) -> NumberFormat {
        if facts.expertCount == 8 { return .q8_0 }
        let format: NumberFormat =
            switch type {
            case .q2_K: facts.sharing >= 4 ? .q4_K : .q3_K
            case .q2_K_S: facts.sharing >= 4 ? .q4_K : .q2_K
            case .q3_K_M: index < 2 ? .q5_K : .q4_K
            case .q3_K_L: .q5_K
            case .q4_K_S: index < 4 ? .q5_K : .q4_K
            case .iq4_nl, .iq4_xs: facts.sharing >= 4 ? .q5_K : type.format
            case .q4_K_M, .q5_K_M: isSensitive(index, of: count) ? .q6_K : type.format
            default: type.format
            }
        return facts.isLlama70B && (format == .q3_K || format == .q4_K) ? .q5_K : format
    }

    private func down(_ layer: Int) -> NumberFormat {
        let count = facts.layerCount
        switch type {
        case .q2_K: return .q3_K
        case .q2_K_S: return layer < count / 8 ? .q4_K : .q2_K
        case .q3_K_M: return layer < count / 16 ? .q5_K : .q4_K
        case .q3_K_L: return .q5_K
        case .q4_K_S: return layer < count / 8 ? .q5_K : .q4_K
        case .iq4_nl, .iq4_xs: return layer < count / 8 ? .q5_K : type.format
        case .q4_K_M, .q5_K_M: return isSensitive(layer, of: count) ? .q6_K : type.format
        default: return type.format
        }
    }

    private var attentionOutput: NumberFormat {
        switch type {
        case .q2_K: facts.expertCount == 8 ? .q5_K : .q3_K
        case .q3_K_M: facts.expertCount == 8 ? .q5_K : .q4_K
        case .q3_K_L: facts.expertCount == 8 ? .q3_K : .q5_K
        case .q3_K_S, .q4_K_S, .q4_K_M, .iq4_nl, .iq4_xs: facts.expertCount == 8 ? .q5_K : type.format
        default: type.format
        }
    }
}

extension QuantizationMix.Facts {
    /// What the keys of a GGUF file say.
    init(_ metadata: [(key: String, value: GGUFValue)]) {
        let values = Dictionary(metadata.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })
        architecture = values["general.architecture"]?.string ?? ""
        func number(_ key: String) -> Int? {
            let value = values["\(architecture).\(key)"]
            return value?.int ?? value?.ints()?.max()  // of layers that have any
        }
        layerCount = number("block_count") ?? 0
        headCount = number("attention.head_count") ?? 1
        kvHeadCount = number("attention.head_count_kv") ?? headCount
        expertCount = number("expert_count") ?? 0
    }
}
