"""The tiny checkpoints of architectures beside Llama, Mistral and Qwen, as fixture_cases.py has those."""

import transformers

from fixture_cases import DEFAULT_ROPE, LLAMA, Case, Settings

SLIDING2 = ["sliding_attention", "full_attention"]

# Two convolutions before each attention, as in the first layers of the published models.
LFM2 = {"num_hidden_layers": 4, "norm_eps": 1e-5, "layer_types": ["conv", "conv", "full_attention", "conv"]}

DEEPSEEK = {
    "hidden_size": 32,
    "num_key_value_heads": 4,
    "kv_lora_rank": 16,
    "qk_nope_head_dim": 6,
    "qk_rope_head_dim": 8,
    "v_head_dim": 10,
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "n_shared_experts": 1,
    "moe_intermediate_size": 12,
    "first_k_dense_replace": 1,
    "tie_word_embeddings": False,
}


def older_lfm2(config: Settings) -> Settings:
    """The keys that the first checkpoints of LFM2 have instead of `layer_types` and others."""
    config = {key: value for key, value in config.items() if key != "layer_types"}
    config["block_ff_dim"] = config.pop("intermediate_size")
    config["tie_embedding"] = config.pop("tie_word_embeddings")
    config["rope_theta"] = config.pop("rope_parameters")["rope_theta"]
    return config


FAMILIES: list[Case] = [
    Case(
        "gemma2",
        transformers.Gemma2Config,
        {
            "head_dim": 10,
            "query_pre_attn_scalar": 24,
            "sliding_window": 8,
            "attn_logit_softcapping": 2.0,
            "final_logit_softcapping": 3.0,
            "layer_types": SLIDING2,
        },
        mistakes=[
            {"attn_logit_softcapping": None},
            {"final_logit_softcapping": None},
            {"query_pre_attn_scalar": 10},
            {"layer_types": SLIDING2[::-1]},
            {"hidden_activation": "silu"},
        ],
    ),
    Case(
        "gemma3",
        transformers.Gemma3TextConfig,
        {
            "head_dim": 8,
            "query_pre_attn_scalar": 12,
            "sliding_window": 8,
            "num_hidden_layers": 3,
            "layer_types": [*SLIDING2, "sliding_attention"],
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0},
                "full_attention": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
            },
        },
        mistakes=[{"layer_types": ["full_attention"] * 3}, {"query_pre_attn_scalar": 8}],
    ),
    # What GGUF keys can say: windows in every layer but every second or sixth, scores divided by √headSize.
    Case(
        "gemma2-plain",
        transformers.Gemma2Config,
        {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8, "attn_logit_softcapping": 2.0},
        mistakes=[{"sliding_window": 7}],
        converted=True,
    ),
    Case(
        "gemma3-plain",
        transformers.Gemma3TextConfig,
        {
            "hidden_size": 16,
            "intermediate_size": 20,
            "num_hidden_layers": 7,
            "head_dim": 8,
            "query_pre_attn_scalar": 8,
            "sliding_window": 8,
            "rope_parameters": {
                "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
                "full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 4.0},
            },
        },
        converted=True,
    ),
    Case(
        "phi3",
        transformers.Phi3Config,
        {"pad_token_id": 0, "num_attention_heads": 2, "hidden_size": 32, "tie_word_embeddings": False,
         "sliding_window": 8},
        mistakes=[{"sliding_window": None}],
        converted=True,
    ),
    Case(
        "phi3-longrope",
        transformers.Phi3Config,
        {
            "pad_token_id": 0,
            "hidden_size": 32,
            "num_attention_heads": 2,
            "num_key_value_heads": 1,
            "max_position_embeddings": 96,
            "original_max_position_embeddings": 24,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 10000.0,
                "partial_rotary_factor": 0.5,
                "short_factor": [1.0, 1.1, 1.3, 1.7],
                "long_factor": [1.0, 2.0, 5.0, 9.0],
            },
            "tie_word_embeddings": True,
        },
        greedy=0,
        converted=True,
    ),
    Case(
        "llama-dynamic-rope",
        LLAMA,
        {
            "max_position_embeddings": 24,
            "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 4.0},
        },
        mistakes=[{"rope_parameters": DEFAULT_ROPE}],
        greedy=0,
    ),
    Case(
        "mixtral",
        transformers.MixtralConfig,
        {"num_local_experts": 5, "num_experts_per_tok": 2, "intermediate_size": 20, "sliding_window": None,
         "tie_word_embeddings": False},
        mistakes=[{"num_experts_per_tok": 1}],
        converted=True,
    ),
    Case(
        "qwen2-moe",
        transformers.Qwen2MoeConfig,
        {
            "num_experts": 6,
            "num_experts_per_tok": 3,
            "moe_intermediate_size": 12,
            "shared_expert_intermediate_size": 12,
            "num_hidden_layers": 3,
            "mlp_only_layers": [1],
            "decoder_sparse_step": 1,
            "tie_word_embeddings": False,
        },
        mistakes=[{"norm_topk_prob": True}, {"num_experts_per_tok": 2}],
    ),
    Case(
        "qwen2-moe-all",
        transformers.Qwen2MoeConfig,
        {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 12,
         "shared_expert_intermediate_size": 16, "hidden_size": 32, "qkv_bias": True, "tie_word_embeddings": False},
        converted=True,
    ),
    Case(
        "qwen3-moe",
        transformers.Qwen3MoeConfig,
        {
            "head_dim": 10,
            "num_experts": 6,
            "num_experts_per_tok": 3,
            "moe_intermediate_size": 12,
            "norm_topk_prob": True,
            "tie_word_embeddings": False,
        },
        mistakes=[{"norm_topk_prob": False}],
        converted=True,
    ),
    Case(
        "smollm3-listed",
        transformers.SmolLM3Config,
        {"num_hidden_layers": 4, "no_rope_layers": [1, 0, 1, 1], "pad_token_id": 0},
        mistakes=[{"no_rope_layers": [1, 1, 1, 0]}],
    ),
    Case(
        "smollm3-plain",
        transformers.SmolLM3Config,
        {"num_hidden_layers": 4, "pad_token_id": 0, "intermediate_size": 20, "tie_word_embeddings": True},
        mistakes=[{"no_rope_layers": [1, 1, 1, 1]}],
        converted=True,
    ),
    Case(
        "olmo2",
        transformers.Olmo2Config,
        {"rms_norm_eps": 1e-4, "tie_word_embeddings": False},
        mistakes=[{"rms_norm_eps": 1e-6}],
    ),
    Case(
        "granite",
        transformers.GraniteConfig,
        {
            "embedding_multiplier": 1.7,
            "residual_multiplier": 0.6,
            "attention_multiplier": 0.2,
            "logits_scaling": 1.4,
            "tie_word_embeddings": True,
        },
        mistakes=[
            {"embedding_multiplier": 1.0},
            {"residual_multiplier": 1.0},
            {"attention_multiplier": 0.4},
            {"logits_scaling": 1.0},
        ],
        converted=True,
    ),
    Case(
        "gpt2",
        transformers.GPT2Config,
        {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 64, "scale_attn_by_inverse_layer_idx": True,
         "n_inner": 40},
        mistakes=[{"scale_attn_by_inverse_layer_idx": False}, {"activation_function": "relu"}],
        common=False,
    ),
    Case(
        "gpt2-plain",
        transformers.GPT2Config,
        {"n_embd": 24, "n_layer": 2, "n_head": 4, "n_positions": 64, "n_ctx": 64},
        mistakes=[{"scale_attn_weights": False}],
        common=False,
        converted=True,
    ),
    Case(
        "stablelm",
        transformers.StableLmConfig,
        {"hidden_size": 32, "use_qkv_bias": True, "partial_rotary_factor": 0.5, "tie_word_embeddings": False},
        mistakes=[{"partial_rotary_factor": 1.0}, {"layer_norm_eps": 1e-2}],
        converted=True,
    ),
    Case(
        "stablelm-parallel",
        transformers.StableLmConfig,
        {"hidden_size": 32, "use_parallel_residual": True, "qk_layernorm": True, "tie_word_embeddings": False},
        mistakes=[{"use_parallel_residual": False}],
    ),
    Case(
        "phi2",
        transformers.PhiConfig,
        {"hidden_size": 32, "num_key_value_heads": 4, "intermediate_size": 128, "tie_word_embeddings": False},
        mistakes=[{"hidden_act": "relu"}],
        converted=True,
    ),
    Case(
        "phi2-norms",
        transformers.PhiConfig,
        {"hidden_size": 32, "qk_layernorm": True, "partial_rotary_factor": 0.25, "tie_word_embeddings": False},
        mistakes=[{"partial_rotary_factor": 0.5}],
    ),
    Case(
        "gpt-neox",
        transformers.GPTNeoXConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
         "max_position_embeddings": 64, "rotary_pct": 0.5},
        mistakes=[{"use_parallel_residual": False}],
        common=False,
        converted=True,
    ),
    Case(
        "gpt-neox-sequential",
        transformers.GPTNeoXConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 44,
         "max_position_embeddings": 64, "use_parallel_residual": False, "attention_bias": False,
         "tie_word_embeddings": False, "hidden_act": "relu"},
        mistakes=[{"use_parallel_residual": True}, {"hidden_act": "gelu"}],
        common=False,
    ),
    Case(
        "starcoder2",
        transformers.Starcoder2Config,
        {"sliding_window": 8, "use_bias": False, "tie_word_embeddings": False},
        mistakes=[{"sliding_window": None}],
    ),
    Case(
        "starcoder2-plain",
        transformers.Starcoder2Config,
        {"use_bias": True},
        mistakes=[{"hidden_act": "relu"}],
        converted=True,
    ),
    Case(
        "cohere",
        transformers.CohereConfig,
        {"use_qk_norm": True, "logit_scale": 0.5, "pad_token_id": 0, "tie_word_embeddings": True},
        mistakes=[{"use_qk_norm": False}, {"logit_scale": 1.0}],
    ),
    Case(
        "cohere-plain",
        transformers.CohereConfig,
        {"attention_bias": False, "logit_scale": 0.7, "pad_token_id": 0, "hidden_size": 32},
        converted=True,
    ),
    Case(
        "cohere2",
        transformers.Cohere2Config,
        {"head_dim": 8, "hidden_size": 32, "num_hidden_layers": 4, "sliding_window": 8, "pad_token_id": 0,
         "intermediate_size": 24},
        mistakes=[{"sliding_window": 7}],
        converted=True,
    ),
    Case(
        "falcon",
        transformers.FalconConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "ffn_hidden_size": 128,
         "multi_query": True, "num_kv_heads": 1, "parallel_attn": True, "bias": False, "alibi": False},
        mistakes=[{"parallel_attn": False}],
        common=False,
        converted=True,
    ),
    Case(
        "falcon-new",
        transformers.FalconConfig,
        {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_kv_heads": 2,
         "new_decoder_architecture": True, "ffn_hidden_size": 128},
        common=False,
        converted=True,
    ),
    Case(
        "falcon-alibi",
        transformers.FalconConfig,
        {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "multi_query": False,
         "parallel_attn": False, "alibi": True, "bias": True, "ffn_hidden_size": 40,
         "activation": "gelu_pytorch_tanh", "tie_word_embeddings": False},
        mistakes=[{"alibi": False}],
        attention="sdpa",  # eager attention adds the costs of distance twice
        common=False,
    ),
    Case(
        "bloom",
        transformers.BloomConfig,
        {"hidden_size": 24, "n_layer": 2, "n_head": 6},
        common=False,
        converted=True,
    ),
    Case(
        "mpt",
        transformers.MptConfig,
        {"d_model": 24, "n_heads": 6, "n_layers": 2, "max_seq_len": 64,
         "attn_config": {"clip_qkv": 0.8, "softmax_scale": 0.4}},
        common=False,
    ),
    Case(
        "mpt-plain",
        transformers.MptConfig,
        {"d_model": 32, "n_heads": 4, "n_layers": 2, "max_seq_len": 64},
        common=False,
        converted=True,
    ),
    Case(
        "deepseek-v2",
        transformers.DeepseekV2Config,
        DEEPSEEK | {"q_lora_rank": 12, "n_group": 2, "topk_group": 1, "topk_method": "group_limited_greedy",
                    "routed_scaling_factor": 1.5, "n_routed_experts": 6},
        mistakes=[{"topk_method": "greedy"}, {"routed_scaling_factor": 1.0}],
    ),
    Case(
        "deepseek-v2-lite",
        transformers.DeepseekV2Config,
        DEEPSEEK | {
            "q_lora_rank": None,
            "max_position_embeddings": 128,
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "beta_fast": 3.0, "beta_slow": 1.0,
                "mscale": 0.7, "mscale_all_dim": 0.7, "original_max_position_embeddings": 32,
            },
        },
        mistakes=[{"rope_parameters": DEFAULT_ROPE}],
        converted=True,
    ),
    Case(
        "lfm2",
        transformers.Lfm2Config,
        LFM2 | {"block_multiple_of": 4, "block_ffn_dim_multiplier": 1.3, "conv_L_cache": 3},
        mistakes=[
            {"layer_types": ["conv", "full_attention", "conv", "conv"]},
            {"rope_parameters": DEFAULT_ROPE},
            {"norm_eps": 1e-2},
        ],
        converted=True,
    ),
    # Keys of the first checkpoints, biases, another length, and the first layer attends.
    Case(
        "lfm2-bias",
        transformers.Lfm2Config,
        {"num_hidden_layers": 3, "full_attn_idxs": [0, 2], "conv_bias": True, "conv_L_cache": 5,
         "block_auto_adjust_ff_dim": False, "tie_word_embeddings": False},
        mistakes=[{"full_attn_idxs": [0]}],
        rewrite_config=older_lfm2,
    ),
    Case(
        "lfm2-moe",
        transformers.Lfm2MoeConfig,
        LFM2 | {"num_dense_layers": 1, "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 12,
                "routed_scaling_factor": 1.5},
        mistakes=[{"norm_topk_prob": False}, {"use_expert_bias": False}, {"routed_scaling_factor": 1.0}],
    ),
    # What GGUF keys can say.
    Case(
        "lfm2-moe-plain",
        transformers.Lfm2MoeConfig,
        LFM2 | {"num_dense_layers": 1, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 12},
        mistakes=[{"num_experts_per_tok": 1}],
        converted=True,
    ),
]

# Encoders: what is expected are the states of all tokens behind the last layer.
ENCODERS: list[Case] = [
    Case("bert", transformers.BertConfig, {"hidden_act": "gelu", "layer_norm_eps": 1e-6}, converted=True),
    Case(
        "roberta",
        transformers.RobertaConfig,
        {"pad_token_id": 1, "type_vocab_size": 1, "hidden_act": "relu"},
    ),
    Case(
        "nomic-bert",
        transformers.NomicBertConfig,
        {"hidden_size": 32, "head_dim": 8, "layer_norm_eps": 1e-6},
    ),
    Case(
        "modernbert",
        transformers.ModernBertConfig,
        {"hidden_size": 32, "intermediate_size": 20, "num_hidden_layers": 4, "local_attention": 10,
         "pad_token_id": 0, "cls_token_id": 1, "sep_token_id": 2},
        converted=True,
    ),
]
