import SwiftletFormats
package import SwiftletTensor

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// DeepSeek-V2 and V2-Lite: latent attention, of which the latent vectors are cached, and experts beside shared ones.
///
/// Source: DeepSeek-AI, 2024, arXiv:2405.04434, §2.
package enum DeepSeekV2: Architecture {
    package static let names = ["deepseek_v2", "deepseek2"]

    package static func configuration(of source: ModelSource) throws(SwiftletError) -> DecoderConfiguration {
        switch source {
        case .gguf(let file):
            return try gguf(GGUFMetadata(file: file, architecture: "deepseek2")).validated(source: file.path)
        case .directory(let directory):
            let keys = try ConfigurationReader(directory)
            return try hub(keys).validated(source: keys.source)
        }
    }

    package static func tensors(_ configuration: DecoderConfiguration) -> TensorMap {
        var map = TensorMap.llama([
            "attn_q_a": "self_attn.q_a_proj", "attn_q_a_norm": "self_attn.q_a_layernorm",
            "attn_q_b": "self_attn.q_b_proj", "attn_kv_a_mqa": "self_attn.kv_a_proj_with_mqa",
            "attn_kv_a_norm": "self_attn.kv_a_layernorm", "attn_kv_b": "self_attn.kv_b_proj",
            "ffn_gate_inp": "mlp.gate", "ffn_gate_shexp": "mlp.shared_experts.gate_proj",
            "ffn_up_shexp": "mlp.shared_experts.up_proj", "ffn_down_shexp": "mlp.shared_experts.down_proj",
        ])
        map.stacked = [
            "ffn_gate_exps": "mlp.experts.*.gate_proj", "ffn_up_exps": "mlp.experts.*.up_proj",
            "ffn_down_exps": "mlp.experts.*.down_proj",
        ]
        return map
    }

    private static func hub(_ keys: ConfigurationReader) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.decoder(
            "deepseek_v2",
            defaults: .init(
                innerSize: 11_008, headSize: 64, contextLength: 2_048, vocabularySize: 102_400,
                pairing: .adjacent))
        let rotated = try keys.int("qk_rope_head_dim") ?? 64
        let latent = LatentForm(
            rank: try keys.int("kv_lora_rank") ?? 512,
            queryRank: keys.mentions("q_lora_rank") ? try keys.int("q_lora_rank") : 1_536,
            plainSize: try keys.int("qk_nope_head_dim") ?? 128, rotatedSize: rotated,
            valueSize: try keys.int("v_head_dim") ?? 128)
        guard (2...1 << 14).contains(rotated), (1...1 << 14).contains(latent.plainSize) else {
            throw SwiftletError(
                .malformed, "\(keys.source): keys of \(latent.plainSize) and \(rotated) dimensions")
        }
        c.form.latent = latent
        c.headSize = latent.plainSize + rotated
        c.kvHeadCount = c.headCount
        c.rope = try keys.rope(headSize: rotated, contextLength: c.contextLength, pairing: .adjacent)
        c.form.attentionScale = try scale(keys, c.headSize)
        c.hasQueryKeyValueBias = try keys.bool("attention_bias") ?? false
        c.hasOutputBias = c.hasQueryKeyValueBias
        try keys.require("mlp_bias", false)
        c.form.experts = try experts(keys, c)
        return c
    }

    /// 1/√headSize, times the square of YaRN's factor where the file gives its exponent.
    private static func scale(_ keys: ConfigurationReader, _ size: Int) throws(SwiftletError) -> Float {
        let plain = 1 / Double(size).squareRoot()
        let (older, newer) = (try keys.object("rope_scaling"), try keys.object("rope_parameters"))
        guard let rope = older ?? newer, let exponent = try rope.double("mscale_all_dim"), exponent != 0,
            let factor = try rope.double("factor")
        else { return Float(plain) }
        let magnitude = Rope.yarnMagnitude(factor, exponent)
        return Float(plain * magnitude * magnitude)
    }

    private static func experts(
        _ keys: ConfigurationReader, _ c: DecoderConfiguration
    ) throws(SwiftletError) -> ExpertForm? {
        let dense = try keys.int("first_k_dense_replace") ?? 0
        let width = try keys.int("moe_intermediate_size") ?? 1_407
        guard let used = try keys.int("num_experts_per_tok"), dense < c.layerCount else { return nil }
        if let frequency = try keys.int("moe_layer_freq"), frequency != 1 {
            throw SwiftletError(
                .unsupported,
                "\(keys.source): 'moe_layer_freq' is \(frequency), which is not supported; expected 1")
        }
        let scoring = try keys.string("scoring_func") ?? "softmax"
        guard scoring == "softmax" else {
            throw SwiftletError(
                .unsupported,
                "\(keys.source): 'scoring_func' is '\(scoring)', which is not supported; expected softmax")
        }
        var experts = ExpertForm(
            count: try keys.int("n_routed_experts") ?? 64, used: used, innerSize: width,
            layers: (0..<c.layerCount).map { $0 >= dense })
        experts.sharedSize = width &* (try keys.int("n_shared_experts") ?? 2)
        experts.scale = Float(try keys.double("routed_scaling_factor") ?? 1)
        switch try keys.string("topk_method") ?? "greedy" {
        case "greedy": break
        case "group_limited_greedy":
            experts.groups = try keys.int("n_group") ?? 1
            experts.usedGroups = try keys.int("topk_group") ?? experts.groups
        case let other:
            throw SwiftletError(
                .unsupported,
                "\(keys.source): 'topk_method' is '\(other)', which is not supported; expected greedy or "
                    + "group_limited_greedy")
        }
        return experts
    }

    private static func gguf(_ keys: GGUFMetadata) throws(SwiftletError) -> DecoderConfiguration {
        var c = try keys.configuration(pairing: .adjacent)
        guard keys.has("blk.0.attn_kv_a_mqa.weight") else {
            throw SwiftletError(
                .unsupported, "\(keys.file.path): 'deepseek2' without latent attention is not supported")
        }
        let rotated = try keys.int("rope.dimension_count")
        let (mla, old) = (
            try keys.optionalInt("attention.key_length_mla"), try keys.optionalInt("attention.key_length")
        )
        let (value, oldValue) = (
            try keys.optionalInt("attention.value_length_mla"), try keys.optionalInt("attention.value_length")
        )
        guard let size = mla ?? old, let valueSize = value ?? oldValue, size > rotated else {
            throw keys.missing("attention.key_length_mla")
        }
        c.form.latent = LatentForm(
            rank: try keys.int("attention.kv_lora_rank"),
            queryRank: keys.has("blk.0.attn_q_a.weight") ? try keys.int("attention.q_lora_rank") : nil,
            plainSize: size - rotated, rotatedSize: rotated, valueSize: valueSize)
        c.headSize = size
        c.kvHeadCount = c.headCount
        // What YaRN multiplies is in the factor of the scores, not in the rotation.
        if let slope = try keys.optionalDouble("rope.scaling.yarn_log_multiplier"), slope != 0,
            let factor = try keys.optionalDouble("rope.scaling.factor"), factor > 1
        {
            let magnitude = 1 + slope * log(factor)
            c.rope = c.rope.withMagnitude(1)
            c.form.attentionScale = Float(magnitude * magnitude / Double(size).squareRoot())
        }
        return c
    }
}
