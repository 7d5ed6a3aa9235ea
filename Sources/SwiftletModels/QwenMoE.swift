import SwiftletFormats
package import SwiftletTensor

/// The Qwen models with experts: Qwen1.5-MoE and Qwen2-MoE with one block that all tokens share, and Qwen3-MoE.
///
/// Source: Yang et al., 2024, arXiv:2407.10671, §2.2.2; Yang et al., 2025, arXiv:2505.09388, §2.
package enum QwenMoE: Architecture {
    package static let names = ["qwen2_moe", "qwen2moe", "qwen3_moe", "qwen3moe"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        let name = try source.architectureName()
        let isThird = name.hasPrefix("qwen3")
        var c: DecoderConfiguration
        let path: String
        switch source {
        case .gguf(let file):
            path = file.path
            c = try GGUFMetadata(file: file, architecture: name).configuration(pairing: .halves)
            c.form.experts?.normalizes = isThird
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            path = keys.source
            c = try isThird ? third(keys) : second(keys)
        }
        if isThird { c.form.headNorm = .perHead }
        return try c.validated(source: path)
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama([
            "ffn_gate_inp": "mlp.gate", "ffn_gate_inp_shexp": "mlp.shared_expert_gate",
            "ffn_gate_shexp": "mlp.shared_expert.gate_proj", "ffn_up_shexp": "mlp.shared_expert.up_proj",
            "ffn_down_shexp": "mlp.shared_expert.down_proj",
        ])
        map.stacked = [
            "ffn_gate_exps": "mlp.experts.*.gate_proj", "ffn_up_exps": "mlp.experts.*.up_proj",
            "ffn_down_exps": "mlp.experts.*.down_proj",
        ]
        return map
    }

    private static func second(_ keys: ConfigurationReader) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            "qwen2_moe",
            defaults: .init(
                hiddenSize: 2_048, innerSize: 5_632, layerCount: 24, headCount: 16, kvHeadCount: 16,
                contextLength: 32_768, vocabularySize: 151_936))
        c.hasQueryKeyValueBias = try keys.bool("qkv_bias") ?? true
        c.windows = try keys.qwenWindows(layerCount: c.layerCount)
        var experts = try keys.qwenExperts(c, count: 60, used: 4, innerSize: 1_408)
        experts.sharedSize = try keys.int("shared_expert_intermediate_size") ?? 5_632
        experts.gatesShared = true
        c.form.experts = experts
        return c
    }

    private static func third(_ keys: ConfigurationReader) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            "qwen3_moe",
            defaults: .init(
                hiddenSize: 2_048, innerSize: 6_144, layerCount: 24, headCount: 32, kvHeadCount: 4,
                contextLength: 32_768, vocabularySize: 151_936))
        c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
        c.hasOutputBias = c.hasQueryKeyValueBias
        let isUsed = try keys.bool("use_sliding_window") ?? false
        let window = isUsed ? try keys.int("sliding_window") ?? 4_096 : nil
        c.windows = Array(repeating: window, count: c.layerCount)
        c.form.experts = try keys.qwenExperts(c, count: 128, used: 8, innerSize: 768)
        return c
    }
}

extension ConfigurationReader {
    /// Experts of every `decoder_sparse_step`-th layer, but of no layer in `mlp_only_layers`.
    fileprivate func qwenExperts(
        _ c: DecoderConfiguration, count: Int, used: Int, innerSize: Int
    ) throws(SwiftletError) -> ExpertForm {
        let step = try int("decoder_sparse_step") ?? 1
        let dense = Set(try ints("mlp_only_layers") ?? [])
        let (newer, older) = (try int("num_local_experts"), try int("num_experts"))
        var experts = ExpertForm(
            count: older ?? newer ?? count, used: try int("num_experts_per_tok") ?? used,
            innerSize: try int("moe_intermediate_size") ?? innerSize,
            layers: (0..<c.layerCount).map { step > 0 && ($0 + 1) % step == 0 && !dense.contains($0) })
        experts.normalizes = try bool("norm_topk_prob") ?? false
        return experts
    }
}
