"""The tiny checkpoints of architectures beside Llama, Mistral and Qwen, as fixture_cases.py has those."""

import transformers

from fixture_cases import DEFAULT_ROPE, LLAMA, Case

SLIDING2 = ["sliding_attention", "full_attention"]

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
]
