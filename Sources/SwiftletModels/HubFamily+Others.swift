import SwiftletFormats
import SwiftletTensor

/// Families with experts, or with tensors that are stored as one.
extension HubFamily {
    // MARK: With experts

    static func mixtral() -> HubFamily {
        var family = HubFamily(modelType: "mixtral", className: "MixtralForCausalLM", separatesHeads: true)
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("num_local_experts", c.form.experts?.count ?? 0)
            json.member("num_experts_per_tok", c.form.experts?.used ?? 0)
            window(c, &json)
        }
        return family
    }

    static func qwenExperts(_ modelType: String, _ className: String) -> HubFamily {
        var family = HubFamily(modelType: modelType, className: className)
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            guard let experts = c.form.experts else { return }
            json.member("num_experts", experts.count)
            json.member("num_experts_per_tok", experts.used)
            json.member("moe_intermediate_size", experts.innerSize)
            if experts.sharedSize > 0 { json.member("shared_expert_intermediate_size", experts.sharedSize) }
            json.member("norm_topk_prob", experts.normalizes)
            json.member("decoder_sparse_step", 1)
            json.key("mlp_only_layers")
            json.array { json in
                for (layer, hasExperts) in experts.layers.enumerated() where !hasExperts { json.value(layer) }
            }
            json.member("use_sliding_window", false)
            if modelType == "qwen3_moe" {
                json.member("attention_bias", c.hasQueryKeyValueBias)
            } else {
                json.member("qkv_bias", c.hasQueryKeyValueBias)
            }
        }
        return family
    }

    // MARK: With layer norms

    static func phi3() -> HubFamily {
        var family = HubFamily(modelType: "phi3", className: "Phi3ForCausalLM")
        family.members = { context, json throws(SwiftletError) in
            window(context.configuration, &json)
            rotatedShare(context.configuration, &json)
        }
        return family
    }

    static func gpt2() -> HubFamily {
        var family = HubFamily(modelType: "gpt2", className: "GPT2LMHeadModel")
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("n_embd", c.hiddenSize)
            json.member("n_layer", c.layerCount)
            json.member("n_head", c.headCount)
            json.member("n_positions", c.contextLength)
            json.member("n_inner", c.innerSize)
            json.member("layer_norm_epsilon", c.normEpsilon)
            json.member("activation_function", "gelu_new")
        }
        return family
    }

    static func neoX() -> HubFamily {
        var family = HubFamily(modelType: "gpt_neox", className: "GPTNeoXForCausalLM")
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("layer_norm_eps", c.normEpsilon)
            json.member("use_parallel_residual", c.form.residual == .parallel)
            json.member("attention_bias", c.hasQueryKeyValueBias)
            rotatedShare(c, &json, name: "rotary_pct")
        }
        return family
    }

    static func phi2() -> HubFamily {
        var family = HubFamily(modelType: "phi", className: "PhiForCausalLM")
        family.members = { context, json throws(SwiftletError) in
            json.member("layer_norm_eps", context.configuration.normEpsilon)
            json.member("qk_layernorm", false)
            rotatedShare(context.configuration, &json)
        }
        return family
    }

    static func stableLM() -> HubFamily {
        var family = HubFamily(modelType: "stablelm", className: "StableLmForCausalLM")
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("layer_norm_eps", c.normEpsilon)
            json.member("use_qkv_bias", c.hasQueryKeyValueBias)
            json.member("use_parallel_residual", c.form.residual == .shared)
            json.member("qk_layernorm", c.form.headNorm == .eachHead)
            rotatedShare(c, &json)
        }
        return family
    }

    static func cohere(_ modelType: String, _ className: String) -> HubFamily {
        var family = HubFamily(modelType: modelType, className: className)
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("layer_norm_eps", c.normEpsilon)
            json.member("logit_scale", c.form.logitScale)
            json.member("attention_bias", c.hasQueryKeyValueBias)
            if modelType == "cohere" {
                json.member("use_qk_norm", c.form.headNorm == .eachHead)
            } else {
                json.member("sliding_window", c.windows.lazy.compactMap(\.self).first ?? c.contextLength)
                json.member("sliding_window_pattern", 4)
                json.key("layer_types")
                json.array { json in
                    for window in c.windows {
                        json.value(window == nil ? "full_attention" : "sliding_attention")
                    }
                }
            }
        }
        return family
    }

    // MARK: Members of several

    private static func window(_ c: DecoderConfiguration, _ json: inout JSONWriter) {
        json.key("sliding_window")
        if let window = c.windows.first ?? nil { json.value(window) } else { json.null() }
    }

    private static func rotatedShare(
        _ c: DecoderConfiguration, _ json: inout JSONWriter, name: String = "partial_rotary_factor"
    ) {
        json.member(name, Double(2 * c.rope.pairs) / Double(c.headSize))
    }
}
