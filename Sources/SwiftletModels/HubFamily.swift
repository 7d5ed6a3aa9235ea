import SwiftletFormats
import SwiftletTensor

/// How the configuration of one architecture is written for Hugging Face's libraries.
///
/// Source: the configuration classes of transformers 5, 2026.
struct HubFamily {
    /// What a configuration is made from.
    struct Context {
        let file: GGUFFile
        let configuration: DecoderConfiguration
        let format: NumberFormat
        let tokens: DirectoryExport.Tokens?
    }

    /// `model_type`.
    let modelType: String
    /// The class under `architectures`.
    let className: String
    /// Whether rows of queries and keys go from pairs side by side to halves.
    var separatesHeads = false
    /// What readers of such checkpoints add to the weights of norms.
    var normOffset: Float = 0
    /// Members beside those that all models have.
    var members: (Context, inout JSONWriter) throws(SwiftletError) -> Void = { _, _ in }

    /// Names of architectures that can be written, for messages.
    static let names =
        "llama, qwen2, qwen3, qwen2moe, qwen3moe, granite, smollm3, olmo2, gemma, gemma2, gemma3, phi2, phi3, gpt2, "
        + "gptneox, stablelm, starcoder2, command-r, cohere2"

    /// The family of a model in a GGUF file, or `nil` if its directories cannot be written yet.
    static func of(_ c: DecoderConfiguration) -> HubFamily? {
        switch c.architecture {
        case "llama" where c.form.experts != nil, "mixtral": mixtral()
        case "llama", "mistral": llama(c)
        case "qwen2moe": qwenExperts("qwen2_moe", "Qwen2MoeForCausalLM")
        case "qwen3moe": qwenExperts("qwen3_moe", "Qwen3MoeForCausalLM")
        case "phi3": phi3()
        case "phi2": phi2()
        case "gpt2": gpt2()
        case "gptneox": neoX()
        case "stablelm": stableLM()
        case "command-r": cohere("cohere", "CohereForCausalLM")
        case "cohere2": cohere("cohere2", "Cohere2ForCausalLM")
        case "qwen2": qwen("qwen2", "Qwen2ForCausalLM")
        case "qwen3": qwen("qwen3", "Qwen3ForCausalLM")
        case "granite": granite()
        case "smollm3": smollm3()
        case "olmo2": HubFamily(modelType: "olmo2", className: "Olmo2ForCausalLM", members: biases)
        case "gemma": gemma("gemma", "GemmaForCausalLM")
        case "gemma2": gemma("gemma2", "Gemma2ForCausalLM")
        case "gemma3": gemma("gemma3_text", "Gemma3ForCausalLM")
        case "starcoder2": starCoder2()
        default: nil
        }
    }

    /// The order of a weight's rows.
    func order(of name: String, _ c: DecoderConfiguration) -> TensorConverter.RowOrder {
        guard separatesHeads else { return .asStored }
        if name.contains(".attn_q.") { return .separated(heads: c.headCount) }
        if name.contains(".attn_k.") { return .separated(heads: c.kvHeadCount) }
        return .asStored
    }

    // MARK: Families

    private static func llama(_ c: DecoderConfiguration) -> HubFamily {
        let window = c.windows.first ?? nil
        var family =
            window == nil
            ? HubFamily(modelType: "llama", className: "LlamaForCausalLM", separatesHeads: true)
            : HubFamily(modelType: "mistral", className: "MistralForCausalLM", separatesHeads: true)
        family.members = { context, json throws(SwiftletError) in
            if let window { json.member("sliding_window", window) }
            try biases(context, &json)
        }
        return family
    }

    private static func biases(_ context: Context, _ json: inout JSONWriter) throws(SwiftletError) {
        json.member("attention_bias", context.configuration.hasQueryKeyValueBias)
        json.member("mlp_bias", context.configuration.hasFeedForwardBias)
    }

    private static func qwen(_ modelType: String, _ className: String) -> HubFamily {
        var family = HubFamily(modelType: modelType, className: className)
        family.members = { context, json throws(SwiftletError) in
            let window = context.configuration.windows.first ?? nil
            json.member("use_sliding_window", window != nil)
            if let window {
                json.member("sliding_window", window)
                json.member("max_window_layers", 0)
            }
            if modelType == "qwen3" {
                json.member("attention_bias", context.configuration.hasQueryKeyValueBias)
            }
        }
        return family
    }

    private static func granite() -> HubFamily {
        var family = HubFamily(modelType: "granite", className: "GraniteForCausalLM", separatesHeads: true)
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("attention_multiplier", c.attentionScale)
            json.member("embedding_multiplier", c.form.embeddingScale)
            json.member("residual_multiplier", c.form.residualScale)
            json.member("logits_scaling", 1 / c.form.logitScale)
            try biases(context, &json)
        }
        return family
    }

    private static func smollm3() -> HubFamily {
        var family = HubFamily(modelType: "smollm3", className: "SmolLM3ForCausalLM", separatesHeads: true)
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.key("no_rope_layers")
            write(
                c.windows.indices.map { $0 < c.layerRopes.count && c.layerRopes[$0] != nil ? 0 : 1 },
                to: &json)
            json.member("use_sliding_window", false)
            try biases(context, &json)
        }
        return family
    }

    private static func gemma(_ modelType: String, _ className: String) -> HubFamily {
        var family = HubFamily(modelType: modelType, className: className, normOffset: 1)
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("hidden_activation", "gelu_pytorch_tanh")
            json.member("attention_bias", c.hasQueryKeyValueBias)
            guard modelType != "gemma" else { return }
            json.member("query_pre_attn_scalar", Int((1 / (c.attentionScale * c.attentionScale)).rounded()))
            for (name, cap) in [
                ("final_logit_softcapping", c.form.logitCap), ("attn_logit_softcapping", c.form.scoreCap),
            ] {
                json.key(name)
                if let cap { json.value(cap) } else { json.null() }
            }
            if let window = c.windows.lazy.compactMap(\.self).first { json.member("sliding_window", window) }
            json.key("layer_types")
            json.array { json in
                for window in c.windows { json.value(window == nil ? "full_attention" : "sliding_attention") }
            }
            if let local = c.layerRopes.lazy.compactMap(\.self).first?.plainBase {
                json.member("rope_local_base_freq", local)
            }
        }
        return family
    }

    private static func starCoder2() -> HubFamily {
        var family = HubFamily(modelType: "starcoder2", className: "Starcoder2ForCausalLM")
        family.members = { context, json throws(SwiftletError) in
            let c = context.configuration
            json.member("norm_epsilon", c.normEpsilon)
            json.member("use_bias", c.hasQueryKeyValueBias)
            json.key("sliding_window")
            if let window = c.windows.first ?? nil { json.value(window) } else { json.null() }
        }
        return family
    }

    static func write(_ numbers: [Int], to json: inout JSONWriter) {
        if numbers.count == 1 { return json.value(numbers[0]) }
        json.array { json in for number in numbers { json.value(number) } }
    }
}
