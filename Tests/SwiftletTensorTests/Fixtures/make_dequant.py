"""Writes formats/: stored blocks with the numbers they mean, and numbers with the blocks they become.

For developers; the tests need only the files. Requires numpy and gguf (https://pypi.org/project/gguf, 0.19.0).
"""
import pathlib

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import quants

READ = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"]
# Formats whose numbers are looked up: all bytes are random, so that scales are NaN and infinite, too.
LOOKED_UP = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0",
             "MXFP4", "NVFP4"]
WRITTEN = ["F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "TQ1_0", "TQ2_0", "MXFP4"]
# Byte offsets of the binary16 scales in a block.
SCALES = {"Q8_0": [0], "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q2_K": [80, 82],
          "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208]}


def spelled(name):
    """The format's name in Swiftlet."""
    return name.lower().replace("_k", "_K")


def looked_up_blocks(name):
    """Random bytes, and blocks of equal bytes; MXFP4 gets every scale."""
    elements, size = quants.GGML_QUANT_SIZES[Type[name]]
    random = np.random.default_rng(list(name.encode()))
    count = 256 if name == "MXFP4" else 24 * 64 // elements if elements < 256 else 6
    blocks = random.integers(0, 256, size=(count, size), dtype=np.uint8)
    if name == "MXFP4":
        blocks[:, 0] = np.arange(256)
    else:
        blocks[0] = 0
        blocks[1] = 255
        if elements == 256:
            blocks[2:] = np.where(random.integers(0, 64, size=blocks[2:].shape) == 0, 255, blocks[2:])
    return blocks.reshape(-1)


def random_blocks(name, count, random):
    """Random bytes, with scales that are finite: small ones, subnormal ones, negative ones."""
    elements, size = quants.GGML_QUANT_SIZES[Type[name]]
    if elements == 1:
        numbers = random.normal(size=count * 32).astype(np.float32)
        return quants.quantize(numbers, Type[name]).view(np.uint8).reshape(-1)
    blocks = random.integers(0, 256, size=(count, size), dtype=np.uint8)
    for offset in SCALES[name]:
        scale = (random.normal(size=count) * 10.0 ** random.integers(-7, 2, size=count)).astype(np.float16)
        blocks[:, offset:offset + 2] = scale.view(np.uint8).reshape(count, 2)
    return blocks.reshape(-1)


def main():
    folder = pathlib.Path(__file__).parent / "formats"
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(20240229)
    for name in READ:
        blocks = random_blocks(name, 6, random)
        (folder / f"{spelled(name)}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{spelled(name)}.floats").write_bytes(quants.dequantize(blocks, Type[name]).astype("<f4").tobytes())
    for name in LOOKED_UP:
        blocks = looked_up_blocks(name)
        with np.errstate(all="ignore"):
            numbers = quants.dequantize(blocks, Type[name]).astype("<f4")
        (folder / f"{spelled(name)}.blocks").write_bytes(blocks.tobytes())
        (folder / f"{spelled(name)}.floats").write_bytes(numbers.tobytes())
    scale = 10.0 ** random.integers(-3, 4, size=(24, 1))
    numbers = (random.normal(size=(24, 32)) * scale).astype(np.float32)
    numbers[0] = 0
    numbers[1, 5:] = 0
    numbers[2] = np.round(numbers[2] * 8) / 8       # ties
    numbers[3] = np.abs(numbers[3])
    numbers[4] = 2.5
    numbers = numbers.reshape(-1)
    (folder / "written.floats").write_bytes(numbers.tobytes())
    for name in WRITTEN:
        (folder / f"written.{spelled(name)}").write_bytes(quants.quantize(numbers, Type[name]).tobytes())


main()
