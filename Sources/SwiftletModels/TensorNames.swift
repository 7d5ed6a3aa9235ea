/// The two vocabularies of tensor names for the Llama family: Hugging Face checkpoints and GGUF files.
package enum TensorNames {
    private static let global = [
        "model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output",
    ]

    private static let layer = [
        "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
        "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
    ]

    /// The GGUF name of a Hugging Face name, such as `blk.3.attn_q.weight`; `nil` if there is none.
    package static func gguf(_ name: String) -> String? {
        guard let dot = name.lastIndex(of: ".") else { return nil }
        let (stem, kind) = (name[..<dot], name[dot...])  // `.weight` or `.bias`
        if let global = global[String(stem)] { return global + kind }
        let parts = stem.split(separator: ".", maxSplits: 3)
        guard parts.count == 4, parts[0] == "model", parts[1] == "layers", let index = Int(parts[2]),
            let role = layer[String(parts[3])]
        else { return nil }
        return "blk.\(index).\(role)\(kind)"
    }
}
