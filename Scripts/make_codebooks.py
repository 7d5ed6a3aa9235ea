"""Writes Sources/CSwiftletKernels/codebooks.c: the codebooks of the formats IQ1, IQ2 and IQ3.

For developers; the build needs only the file. Requires numpy and gguf (https://pypi.org/project/gguf).
"""
import pathlib

from gguf import quants

# Name, class of the gguf package, bits per number, and the words about it.
BOOKS = [
    ("iq2_xxs", quants.IQ2_XXS, 2), ("iq2_xs", quants.IQ2_XS, 2), ("iq2_s", quants.IQ2_S, 2),
    ("iq3_xxs", quants.IQ3_XXS, 3), ("iq3_s", quants.IQ3_S, 3), ("iq1", quants.IQ1_S, 2),
]
HEAD = """// Codebooks of the IQ1, IQ2 and IQ3 formats: constants that define what a stored index means.
//
// An entry holds 8 digits of 2 bits (IQ1, IQ2) or 4 digits of 3 bits (IQ3), that of the first number lowest. Digits
// stand for the numbers 8, 25, 43 (IQ2), 4, 12, 20, 28, 36, 44, 52, 62 (IQ3_XXS), 1, 3, ... 15 (IQ3_S) and -1, 0, 1
// (IQ1).
//
// Source: the format definition in the GGUF specification's reference library, github.com/ggml-org/ggml (the tables
// `iq2xxs_grid` and its like), re-encoded by Scripts/make_codebooks.py.
#include "codebooks.h"
"""


def words(book, bits):
    """The entries of one codebook as numbers."""
    book.init_grid()
    grid = book.grid.reshape(book.grid_shape)
    digits = {value: digit for digit, value in enumerate(book.grid_map)}
    return [sum(digits[int(x)] << bits * i for i, x in enumerate(row)) for row in grid]


def main():
    text = HEAD
    for name, book, bits in BOOKS:
        numbers = words(book, bits)
        text += f"\nconst uint16_t sl_codebook_{name}[{len(numbers)}] = {{\n"
        for i in range(0, len(numbers), 13):
            text += "    " + ", ".join(f"0x{n:04x}" for n in numbers[i:i + 13]) + ",\n"
        text += "};\n"
    path = pathlib.Path(__file__).parent.parent / "Sources/CSwiftletKernels/codebooks.c"
    path.write_text(text)


main()
