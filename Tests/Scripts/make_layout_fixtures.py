"""Writes Tests/SwiftletModelsTests/Fixtures/layouts: tiny Llama checkpoints in the packings that users meet.

Developer only; the results are committed. From the root of the repository:

    pip install -r Tests/requirements.txt bitsandbytes==0.50.2 compressed-tensors==0.20.0
    python Tests/Scripts/make_layout_fixtures.py

Nothing is downloaded. GPTQ, AWQ and FP8 are packed here as their publications describe them; bitsandbytes and
compressed-tensors pack and unpack themselves. Logits are those of transformers with the unpacked weights in float32.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

FOLDER = Path(__file__).resolve().parent.parent / "SwiftletModelsTests" / "Fixtures" / "layouts"
GROUP = 32
IDS = [3, 29, 17, 8, 30, 5, 11, 22, 1, 14]


def config():
    """One layer whose rows fill blocks of 32."""
    return LlamaConfig(
        hidden_size=64, intermediate_size=32, num_hidden_layers=1, num_attention_heads=4, num_key_value_heads=1,
        vocab_size=32, max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)


def random(*name):
    """A generator of numbers that depends on the name alone."""
    return np.random.Generator(np.random.PCG64(zlib.crc32("/".join(map(str, name)).encode())))


def half(x):
    """x as float16 holds it."""
    return x.astype(np.float16).astype(np.float32)


# Integers


def stream(codes, bits):
    """Codes along axis 0 as words of 32 bits, lowest first."""
    count = (codes.shape[0] * bits + 31) // 32
    words = np.zeros((count + 1, *codes.shape[1:]), np.uint64)
    for i, row in enumerate(codes.astype(np.uint64)):
        word, shift = divmod(i * bits, 32)
        words[word] |= row << np.uint64(shift) & np.uint64(0xFFFFFFFF)
        words[word + 1] |= row << np.uint64(shift) >> np.uint64(32)
    return words[:count].astype(np.uint32).view(np.int32)


def affine(w, bits, symmetric, groups):
    """Codes [in, out], zeros and scales [groups, out] of the transpose of w."""
    w = w.T
    count = groups.max() + 1
    scales, zeros = np.zeros((count, w.shape[1]), np.float32), np.zeros((count, w.shape[1]), int)
    for g in range(count):
        part = w[groups == g]
        if symmetric:
            scales[g] = half(np.abs(part).max(0) / (2 ** (bits - 1) - 0.5))
            zeros[g] = 2 ** (bits - 1)
        else:
            low, high = np.minimum(part.min(0), 0), np.maximum(part.max(0), 0)
            scales[g] = half((high - low) / (2**bits - 1))
            zeros[g] = np.clip(np.round(-low / scales[g]), 1, 2**bits - 1)
    codes = np.clip(np.round(w / scales[groups]) + zeros[groups], 0, 2**bits - 1).astype(int)
    return codes, zeros, scales


def gptq(name, w, bits=4, symmetric=True, v2=False, ordered=False):
    groups = np.arange(w.shape[1]) // GROUP
    if ordered:
        random(name).shuffle(groups)
    codes, zeros, scales = affine(w, bits, symmetric, groups)
    stored = zeros if v2 else (zeros - 1) % 2**bits
    parts = {
        "qweight": stream(codes, bits), "qzeros": np.ascontiguousarray(stream(stored.T, bits).T),
        "scales": scales.astype(np.float16), "g_idx": groups.astype(np.int32)}
    return parts, (scales[groups] * (codes - zeros[groups])).T


def awq(name, w):
    groups = np.arange(w.shape[1]) // GROUP
    codes, zeros, scales = affine(w, 4, False, groups)

    def packed(numbers):
        words = np.zeros((numbers.shape[0], numbers.shape[1] // 8), np.uint32)
        for nibble, output in enumerate([0, 2, 4, 6, 1, 3, 5, 7]):
            words |= numbers[:, output::8].astype(np.uint32) << np.uint32(4 * nibble)
        return words.view(np.int32)

    parts = {"qweight": packed(codes), "qzeros": packed(zeros), "scales": scales.astype(np.float16)}
    return parts, (scales[groups] * (codes - zeros[groups])).T


# FP8


def fp8(name, w, kind=torch.float8_e4m3fn, block=None, suffix="weight_scale"):
    rows, columns = block or w.shape
    shape = (-(-w.shape[0] // rows), -(-w.shape[1] // columns))
    scales = np.zeros(shape, np.float32)
    for i in range(shape[0]):
        for j in range(shape[1]):
            scales[i, j] = np.abs(w[i * rows:(i + 1) * rows, j * columns:(j + 1) * columns]).max() / 300
    spread = np.kron(scales, np.ones((rows, columns), np.float32))[:w.shape[0], :w.shape[1]]
    codes = torch.from_numpy(w / spread).to(kind)
    stored = scales.reshape(()) if block is None else scales
    return {"weight": codes, suffix: stored}, codes.float().numpy() * spread


def integers(name, w):
    """Eight bits per row as compressed-tensors writes them."""
    scales = half(np.abs(w).max(1, keepdims=True) / 127)
    codes = np.clip(np.round(w / scales), -128, 127).astype(np.int8)
    return {"weight": codes, "weight_scale": scales.astype(np.float16)}, codes * scales


# Libraries


def four_bits(name, w, kind, nested):
    from bitsandbytes.functional import dequantize_4bit, quantize_4bit

    codes, state = quantize_4bit(torch.from_numpy(w), blocksize=64, compress_statistics=nested, quant_type=kind)
    stored = state.as_dict(packed=True)
    largest = stored["absmax"]
    if nested:
        outer = stored["nested_absmax"][torch.arange(len(largest)) // 256]
        largest = stored["nested_quant_map"][largest.long()] * outer + state.offset
    pairs = codes.numpy().reshape(-1)
    numbers = stored["quant_map"].numpy()[np.stack([pairs >> 4, pairs & 15], 1).reshape(-1, 64)]
    numbers = (numbers * largest.numpy()[:, None]).reshape(w.shape)
    # Version 0.50.2 misreads rows that do not fill blocks on processors; elsewhere both must agree.
    assert w.shape[1] % 64 or np.array_equal(numbers, dequantize_4bit(codes, state).float().numpy())
    return {"weight": codes} | {f"weight.{k}": v for k, v in stored.items()}, numbers


def eight_bits(name, w):
    """The row-wise integers of bitsandbytes: w = code · SCB / 127."""
    extremes = np.abs(w).max(1)
    codes = np.clip(np.round(w * (127 / extremes[:, None])), -127, 127).astype(np.int8)
    parts = {"weight": codes, "SCB": extremes, "weight_format": np.array(0, np.uint8)}
    return parts, codes * half(extremes / 127)[:, None]


def compressed(name, w, symmetric):
    from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32, unpack_from_int32

    groups = np.arange(w.shape[1]) // GROUP
    codes, zeros, scales = affine(w, 4, symmetric, groups)
    signed = torch.from_numpy((codes.T - 8).astype(np.int8))
    packed = pack_to_int32(signed, 4)
    assert torch.equal(unpack_from_int32(packed, 4, signed.shape), signed)
    parts = {
        "weight_packed": packed, "weight_scale": scales.T.astype(np.float16),
        "weight_shape": np.array(w.shape, np.int64)}
    if not symmetric:
        points = torch.from_numpy((zeros.T - 8).astype(np.int8))
        parts["weight_zero_point"] = pack_to_int32(points, 4, packed_dim=0)
    return parts, (scales[groups] * (codes - zeros[groups])).T


def compressed_config(form, bits, **weights):
    return {"quant_method": "compressed-tensors", "format": form,
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": bits} | weights}}}


def gptq_config(**keys):
    return {"quant_method": "gptq", "bits": 4, "group_size": GROUP, "desc_act": False, "sym": True} | keys


FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}
BNB = {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False}
CASES = {
    "gptq": (gptq_config(), gptq),
    "gptq-v2": (gptq_config(sym=False, checkpoint_format="gptq_v2"),
                lambda n, w: gptq(n, w, symmetric=False, v2=True)),
    "gptq-ordered": (gptq_config(desc_act=True, sym=False), lambda n, w: gptq(n, w, symmetric=False, ordered=True)),
    "gptq-3": (gptq_config(bits=3), lambda n, w: gptq(n, w, bits=3)),
    "gptq-8": (gptq_config(bits=8), lambda n, w: gptq(n, w, bits=8)),
    "awq": ({"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm"}, awq),
    "fp8-block": (FP8 | {"weight_block_size": [32, 32]},
                  lambda n, w: fp8(n, w, block=(32, 32), suffix="weight_scale_inv")),
    "fp8-tensor": (FP8, lambda n, w: fp8(n, w, kind=torch.float8_e5m2)),
    "fp8-row": (compressed_config("float-quantized", 8), lambda n, w: fp8(n, w, block=(1, w.shape[1]))),
    "nf4": (BNB | {"bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True},
            lambda n, w: four_bits(n, w, "nf4", True)),
    "fp4": (BNB | {"bnb_4bit_quant_type": "fp4"}, lambda n, w: four_bits(n, w, "fp4", False)),
    "int8": (BNB | {"load_in_4bit": False, "load_in_8bit": True}, eight_bits),
    "packed": (compressed_config("pack-quantized", 4), lambda n, w: compressed(n, w, True)),
    "packed-affine": (compressed_config("pack-quantized", 4), lambda n, w: compressed(n, w, False)),
    "integers": (compressed_config("int-quantized", 8), integers),
}


def write(case, quantization, pack):
    model = LlamaForCausalLM(config())
    stored = {}
    state = model.state_dict()
    for name, old in state.items():
        numbers = random(case, name).standard_normal(tuple(old.shape)).astype(np.float32)
        if "norm" in name:
            numbers = half(1 + 0.2 * numbers)
        elif "embed" in name or "lm_head" in name:
            numbers = half(numbers)
        else:
            numbers = numbers / np.float32(np.sqrt(old.shape[1])) * 2
            parts, numbers = pack(name, numbers)
            stem = name.removesuffix("weight")
            for part, value in parts.items():
                value = value if isinstance(value, torch.Tensor) else torch.from_numpy(np.array(value))
                stored[stem + part] = value.contiguous()
        if not any(key.startswith(name.removesuffix("weight")) for key in stored) and name != "lm_head.weight":
            stored[name] = torch.from_numpy(numbers).half()
        state[name] = torch.from_numpy(np.ascontiguousarray(numbers, np.float32))
    state["lm_head.weight"] = state["model.embed_tokens.weight"]
    model.load_state_dict(state)
    with torch.no_grad():
        logits = model.eval()(torch.tensor([IDS])).logits[0].float().numpy()
        greedy = list(IDS)
        for _ in range(5):
            greedy.append(int(model(torch.tensor([greedy])).logits[0, -1].argmax()))
    folder = FOLDER / case
    folder.mkdir(parents=True, exist_ok=True)
    settings = config().to_dict() | {"architectures": ["LlamaForCausalLM"], "quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    save_file(stored, folder / "model.safetensors", {"format": "pt"})
    (folder / "expected.f32").write_bytes(logits.astype("<f4").tobytes())
    (folder / "expected.json").write_text(json.dumps({
        "vocabulary": 32, "prompts": [{"ids": IDS, "row": 0}],
        "greedy": {"prompt": 0, "ids": greedy[len(IDS):]}}) + "\n")
    print(case, np.abs(logits).max(), (folder / "model.safetensors").stat().st_size)


def main():
    torch.manual_seed(0)
    for case, (quantization, pack) in CASES.items():
        write(case, quantization, pack)


main()
