"""The tiny checkpoints that make_model_fixtures.py writes, as data.

Sizes are small so that everything together stays below 10 MB, and deliberately uneven (hidden 24, vocabulary
101, intermediate 44, head size 6) so that the tails of vectorised loops are exercised too.
"""

from dataclasses import dataclass, field
from typing import Any, Callable

import transformers

Settings = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """One checkpoint: a configuration, how it is stored, and which mistakes its logits must reveal."""

    name: str
    config_class: type
    settings: Settings
    # Settings under which the same weights must give visibly different logits; the script checks this.
    mistakes: list[Settings] = field(default_factory=list)
    # Rewrites config.json after saving, to imitate what older versions of transformers wrote.
    rewrite_config: Callable[[Settings], Settings] | None = None
    storage: str = "float32"
    shard_size: str = "1GB"
    gguf: bool = False
    tokenizer: bool = False
    prompt_lengths: tuple[int, ...] = (1, 7, 40)
    # The prompt that is continued greedily; one that no continuation takes past a bound in its configuration.
    greedy: int = 1
    # Written as GGUF by llama.cpp's own converter.
    converted: bool = False
    # How the reference attends.
    attention: str = "eager"
    # Whether COMMON applies; not where sizes go by other names.
    common: bool = True

    def config(self, **changes: Any) -> transformers.PreTrainedConfig:
        """The configuration, with `changes` replacing or adding settings."""
        common = COMMON if self.common else {"vocab_size": 101, "bos_token_id": 1, "eos_token_id": 2}
        return self.config_class(**{**common, **self.settings, **changes})


COMMON: Settings = {
    "vocab_size": 101,
    "hidden_size": 24,
    "intermediate_size": 44,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "tie_word_embeddings": True,
}

# Two heads of 16: eight rotation frequencies, enough for every branch of the scaled variants.
WIDE_HEADS: Settings = {"hidden_size": 32, "num_attention_heads": 2, "num_key_value_heads": 1}

LLAMA3_ROPE: Settings = {
    "rope_type": "llama3",
    "rope_theta": 10000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}
YARN_ROPE: Settings = {
    "rope_type": "yarn",
    "rope_theta": 1000.0,
    "factor": 4.0,
    "beta_fast": 3.0,
    "beta_slow": 1.0,
    "original_max_position_embeddings": 64,
}
DEFAULT_ROPE: Settings = {"rope_type": "default", "rope_theta": 10000.0}


def without(config: Settings, *keys: str) -> Settings:
    """`config` less `keys`."""
    return {key: value for key, value in config.items() if key not in keys}


def old_llama(config: Settings) -> Settings:
    """config.json of 2023: RoPE settings beside the others, sizes that have defaults left out."""
    moved = ("rope_parameters", "dtype")
    defaulted = ("head_dim", "num_key_value_heads", "rms_norm_eps", "tie_word_embeddings")
    return without(config, *moved, *defaulted) | {
        "rope_theta": 5000.0,
        "rope_scaling": {"type": "linear", "factor": 2.0},
        "torch_dtype": "float32",
    }


def old_mistral(config: Settings) -> Settings:
    """config.json of 2023: no head size, `rope_theta` beside the others."""
    rest = without(config, "rope_parameters", "head_dim", "dtype")
    return rest | {"rope_theta": 2000.0, "torch_dtype": "float32"}


def old_qwen2(config: Settings) -> Settings:
    """config.json of 2024: a window that `use_sliding_window` turns off, YaRN under its old key."""
    scaling = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}
    return without(config, "rope_parameters", "layer_types", "dtype") | {
        "rope_theta": 10000.0,
        "rope_scaling": scaling,
        "sliding_window": 8,
        "use_sliding_window": False,
        "max_window_layers": 1,
        "torch_dtype": "float32",
    }


LLAMA = transformers.LlamaConfig
MISTRAL = transformers.MistralConfig
QWEN2 = transformers.Qwen2Config
QWEN3 = transformers.Qwen3Config

CASES: list[Case] = [
    Case(
        "llama-mha",
        LLAMA,
        {"num_key_value_heads": 4, "tie_word_embeddings": False, "rms_norm_eps": 1e-3},
        mistakes=[
            {"rms_norm_eps": 1e-5},
            {"rope_parameters": {"rope_type": "default", "rope_theta": 500000.0}},
        ],
    ),
    Case(
        "llama-gqa",
        LLAMA,
        {"hidden_size": 32, "vocab_size": 128, "intermediate_size": 48},
        mistakes=[{"rms_norm_eps": 1e-4}],
        gguf=True,
    ),
    Case("llama-bias", LLAMA, {"attention_bias": True, "mlp_bias": True, "head_dim": 10}),
    Case(
        "llama3-rope",
        LLAMA,
        WIDE_HEADS | {"rope_parameters": LLAMA3_ROPE},
        mistakes=[
            {"rope_parameters": DEFAULT_ROPE},
            {"rope_parameters": DEFAULT_ROPE | {"rope_type": "linear", "factor": 8.0}},
            {"rope_parameters": LLAMA3_ROPE | {"original_max_position_embeddings": 64}},
        ],
        gguf=True,
    ),
    Case(
        "llama-linear-rope",
        LLAMA,
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0}},
        mistakes=[{"rope_parameters": DEFAULT_ROPE}],
    ),
    Case(
        "llama-yarn",
        LLAMA,
        WIDE_HEADS | {"max_position_embeddings": 256, "rope_parameters": YARN_ROPE},
        mistakes=[
            {"rope_parameters": DEFAULT_ROPE | {"rope_theta": 1000.0}},
            {"rope_parameters": YARN_ROPE | {"attention_factor": 1.0}},
            {"rope_parameters": YARN_ROPE | {"beta_fast": 32.0}},
            {"rope_parameters": YARN_ROPE | {"truncate": False}},
        ],
    ),
    Case(
        "llama-old-config",
        LLAMA,
        {
            "num_key_value_heads": 4,
            "tie_word_embeddings": False,
            "rms_norm_eps": 1e-6,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 5000.0, "factor": 2.0},
        },
        mistakes=[{"rope_parameters": DEFAULT_ROPE | {"rope_theta": 5000.0}}, {"rms_norm_eps": 1e-5}],
        rewrite_config=old_llama,
    ),
    Case(
        "llama-gelu-tanh",
        LLAMA,
        {"hidden_act": "gelu_pytorch_tanh"},
        mistakes=[{"hidden_act": "silu"}, {"hidden_act": "gelu"}],
    ),
    Case("llama-gelu", LLAMA, {"hidden_act": "gelu"}, mistakes=[{"hidden_act": "gelu_pytorch_tanh"}]),
    Case(
        "smollm2", LLAMA, {"rope_parameters": DEFAULT_ROPE | {"rope_theta": 100000.0}, "eos_token_id": [2, 0]}
    ),
    Case("llama-sharded", LLAMA, {"num_key_value_heads": 1, "tie_word_embeddings": False}, shard_size="20KB"),
    Case("llama-f16", LLAMA, {"tie_word_embeddings": False}, storage="float16"),
    Case("llama-bf16", LLAMA, {"tie_word_embeddings": False}, storage="bfloat16"),
    Case(
        "mistral-sliding",
        MISTRAL,
        {"sliding_window": 8, "tie_word_embeddings": False},
        mistakes=[{"sliding_window": None}, {"sliding_window": 7}, {"sliding_window": 9}],
    ),
    Case(
        "mistral",
        MISTRAL,
        {
            "sliding_window": None,
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_type": "default", "rope_theta": 2000.0},
        },
        mistakes=[{"rope_parameters": DEFAULT_ROPE}],
        rewrite_config=old_mistral,
    ),
    Case("qwen2", QWEN2, {"rope_parameters": {"rope_type": "default", "rope_theta": 1000000.0}}, gguf=True),
    Case(
        "qwen2-sliding",
        QWEN2,
        {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 8},
        mistakes=[
            {"use_sliding_window": False},
            {"sliding_window": 7},
            {"max_window_layers": 0},
            {"layer_types": ["sliding_attention", "full_attention"]},
        ],
    ),
    Case(
        "qwen2-old-config",
        QWEN2,
        {
            "max_position_embeddings": 128,
            "rope_parameters": {
                "rope_type": "yarn",
                "rope_theta": 10000.0,
                "factor": 4.0,
                "original_max_position_embeddings": 32,
            },
        },
        mistakes=[
            {"rope_parameters": DEFAULT_ROPE},
            {"use_sliding_window": True, "max_window_layers": 1, "sliding_window": 8},
        ],
        rewrite_config=old_qwen2,
    ),
    Case(
        "qwen3", QWEN3, {"head_dim": 10, "rms_norm_eps": 1e-4}, mistakes=[{"rms_norm_eps": 1e-5}], gguf=True
    ),
    Case(
        "qwen3-bias",
        QWEN3,
        {
            "head_dim": 8,
            "attention_bias": True,
            "tie_word_embeddings": False,
            "use_sliding_window": True,
            "sliding_window": 8,
            "max_window_layers": 2,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        mistakes=[{"layer_types": None}, {"layer_types": ["full_attention", "sliding_attention"]}],
    ),
]

# Written as GGUF only: rows of 32 for Q8_0, and a vocabulary with room for 256 byte tokens and some pieces.
QUANTISED = Case(
    "llama-q8_0",
    LLAMA,
    {"hidden_size": 32, "intermediate_size": 64, "vocab_size": 320},
    tokenizer=True,
    prompt_lengths=(1, 7, 24),
)


def rope_settings() -> list[Settings]:
    """Configurations whose rotation frequencies are written to rope.json without any weights."""

    def entry(head_size: int, context: int, **rope: Any) -> Settings:
        return {"head_dim": head_size, "max_position_embeddings": context, "rope_parameters": rope}

    llama3 = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
    qwen = {
        "rope_type": "yarn",
        "rope_theta": 1000000.0,
        "factor": 4.0,
        "original_max_position_embeddings": 32768,
    }
    return [
        entry(8, 64, rope_type="default", rope_theta=10000.0),
        entry(128, 40960, rope_type="default", rope_theta=1000000.0),
        entry(64, 8192, rope_type="default", rope_theta=100000.0),
        entry(128, 4096, rope_type="linear", rope_theta=10000.0, factor=4.0),
        entry(10, 64, rope_type="linear", rope_theta=10000.0, factor=2.5),
        entry(16, 64, **LLAMA3_ROPE),
        entry(128, 131072, rope_type="llama3", rope_theta=500000.0, factor=8.0, **llama3),
        entry(64, 131072, rope_type="llama3", rope_theta=500000.0, factor=32.0, **llama3),
        entry(16, 64, **YARN_ROPE),
        entry(16, 64, **YARN_ROPE, truncate=False),
        entry(16, 64, **YARN_ROPE, attention_factor=0.75),
        entry(16, 64, **YARN_ROPE, mscale=1.0, mscale_all_dim=0.5),
        entry(16, 64, **YARN_ROPE, mscale=0.7),
        entry(16, 64, **(YARN_ROPE | {"factor": 1.0})),
        entry(128, 131072, **qwen),
        entry(128, 131072, **qwen, beta_fast=16.0, beta_slow=2.0),
        entry(64, 32768, **qwen),
    ]
