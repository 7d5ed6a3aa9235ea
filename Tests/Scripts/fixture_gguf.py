"""Writes a model as a GGUF file, with the keys, names and row order that llama.cpp's converter uses."""

import math
from pathlib import Path

import gguf
import numpy as np
import sentencepiece
import torch

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}


def write_gguf(
    path: Path, model, quantised: bool, vocabulary: sentencepiece.SentencePieceProcessor | None
) -> None:
    """Writes `model` (float32) to `path`; matrices become Q8_0 when `quantised`."""
    config = model.config
    architecture = ARCHITECTURES[config.model_type]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    add_metadata(writer, config, quantised)
    if vocabulary is not None:
        add_tokenizer(writer, vocabulary)

    if config.rope_parameters["rope_type"] == "llama3":
        writer.add_tensor("rope_freqs.weight", rope_divisors(config))
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = tensor.numpy()
        if config.model_type == "llama":
            values = interleave_heads(name, values, config)
        add_tensor(writer, names.get_name(name, try_suffixes=(".weight", ".bias")), values, quantised)

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_metadata(writer: gguf.GGUFWriter, config, quantised: bool) -> None:
    """The keys that describe the network. Vocabulary and rotation sizes are written for llama alone."""
    writer.add_type("model")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if (head_size := getattr(config, "head_dim", None)) is not None:
        writer.add_key_length(head_size)
        writer.add_value_length(head_size)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0 if quantised else gguf.LlamaFileType.ALL_F32)
    if config.model_type == "llama":
        writer.add_vocab_size(config.vocab_size)
        writer.add_rope_dimension_count(head_size)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def add_tokenizer(writer: gguf.GGUFWriter, vocabulary: sentencepiece.SentencePieceProcessor) -> None:
    """The sentencepiece vocabulary: pieces, scores, kinds and special ids."""

    def kind(index: int) -> gguf.TokenType:
        if vocabulary.is_unknown(index):
            return gguf.TokenType.UNKNOWN
        if vocabulary.is_control(index):
            return gguf.TokenType.CONTROL
        return gguf.TokenType.BYTE if vocabulary.is_byte(index) else gguf.TokenType.NORMAL

    indices = range(vocabulary.vocab_size())
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([vocabulary.id_to_piece(index) for index in indices])
    writer.add_token_scores([vocabulary.get_score(index) for index in indices])
    writer.add_token_types([kind(index) for index in indices])
    writer.add_unk_token_id(vocabulary.unk_id())
    writer.add_bos_token_id(vocabulary.bos_id())
    writer.add_eos_token_id(vocabulary.eos_id())
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(False)


def add_tensor(writer: gguf.GGUFWriter, name: str, values: np.ndarray, quantised: bool) -> None:
    """Vectors stay float32, as the converter leaves them."""
    if quantised and values.ndim == 2:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
    else:
        writer.add_tensor(name, np.ascontiguousarray(values))


def interleave_heads(name: str, values: np.ndarray, config) -> np.ndarray:
    """Reorders the rows of each query and key head from halves (i, i + d/2) to pairs (2i, 2i + 1).

    Llama files in GGUF rotate neighbouring rows; Hugging Face checkpoints rotate row i with row i + d/2.
    """
    if ".q_proj." in name:
        heads = config.num_attention_heads
    elif ".k_proj." in name:
        heads = config.num_key_value_heads
    else:
        return values
    halves = values.reshape(heads, 2, -1, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def rope_divisors(config) -> np.ndarray:
    """What each rotation frequency is divided by under Llama 3 scaling, shape [headSize / 2].

    The converter takes the original context length from the top level of config.json and falls back to 8192;
    the value used here is the one inside the RoPE settings, which is what the reference logits use.
    """
    rope = config.rope_parameters
    low, high, factor = rope["low_freq_factor"], rope["high_freq_factor"], rope["factor"]
    context = rope["original_max_position_embeddings"]
    divisors = []
    for index in range(0, config.head_dim, 2):
        wavelength = 2 * math.pi * rope["rope_theta"] ** (index / config.head_dim)
        share = (context / wavelength - low) / (high - low)
        share = min(max(share, 0.0), 1.0)  # 1: unchanged, 0: fully divided
        divisors.append(1 / (share + (1 - share) / factor))
    return np.array(divisors, dtype=np.float32)


def through_q8_0(tensor: torch.Tensor) -> torch.Tensor:
    """A matrix as it reads back from Q8_0; vectors unchanged."""
    if tensor.ndim != 2:
        return tensor
    kind = gguf.GGMLQuantizationType.Q8_0
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(tensor.numpy(), kind), kind))
