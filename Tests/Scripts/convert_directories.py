"""Checks that transformers loads what `swiftlet convert` makes of GGUF files, and computes the same logits.

    python Tests/Scripts/convert_directories.py .build/release/swiftlet

Every fixture in Tests/SwiftletModelsTests/Fixtures/gguf whose architecture can be written becomes a directory of f32
numbers; logits are compared with those that the fixture has from the original checkpoint. Then a model of random
weights with the built-in tokenizer goes to a directory and back: tokens and logits of transformers are compared with
Swiftlet's own, before and after.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "SwiftletModelsTests", "Fixtures")
NAMES = ["llama-gqa", "llama3-rope", "qwen2", "qwen3", "gemma2-plain", "gemma3-plain", "granite", "smollm3-plain",
         "starcoder2-plain", "mixtral", "qwen2-moe-all", "qwen3-moe", "phi3", "phi3-longrope", "gpt2-plain", "gpt-neox",
         "phi2", "stablelm", "cohere-plain", "cohere2"]
TEXTS = ["Once upon a time there was a girl, and 12 naïve dogs 😀.\n  Two  spaces", "", " ", "日本語 text", "a\tb\r\n"]


def run(program, *arguments):
    result = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def logits(directory, ids):
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy(), type(model).__name__


def check_fixture(program, name, folder):
    directory = f"{folder}/{name}"
    run(program, "convert", f"{FIXTURES}/gguf/{name}.gguf", directory, "--outtype", "f32")
    with open(f"{FIXTURES}/{name}/expected.json") as file:
        expected = json.load(file)
    rows = numpy.fromfile(f"{FIXTURES}/{name}/expected.f32", dtype="<f4").reshape(-1, expected["vocabulary"])
    worst = 0
    for prompt in expected["prompts"]:
        found, kind = logits(directory, prompt["ids"])
        wanted = rows[prompt["row"]:prompt["row"] + len(prompt["ids"])]
        worst = max(worst, float(numpy.abs(found - wanted).max()))
    print(f"{name:18} {kind:22} largest difference {worst:.1e}")
    assert worst <= 1e-4, name


def check_tokenizer(program, folder):
    first, directory, last = f"{folder}/a.gguf", f"{folder}/directory", f"{folder}/b.gguf"
    run(program, "synth", "--shape", "hidden=64,layers=2,heads=4,kv-heads=2,inner=96,context=128", "--type", "f32", first)
    run(program, "convert", first, directory)
    run(program, "convert", directory, last, "--outtype", "f32")
    tokenizer = AutoTokenizer.from_pretrained(directory)
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        for model in (first, directory, last):
            found = json.loads(run(program, "tokenize", "--json", "-m", model, text))
            own = found["ids"] if "ids" in found else [token["id"] for token in found["tokens"]]
            assert own == ids, (model, text, own, ids)
    ids = tokenizer(TEXTS[0])["input_ids"]
    wanted, _ = logits(directory, ids)
    for model in (first, directory, last):
        found = json.loads(run(program, "logits", "-m", model, "--ids", ",".join(map(str, ids)), "--json"))["logits"][-1]
        worst = float(numpy.abs(numpy.array(found) - wanted[-1]).max())
        assert worst <= 1e-4, (model, worst)
    print(f"{'tokenizer':18} {len(TEXTS)} texts equal; logits before and after within {worst:.1e}")


def main():
    program = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        for name in NAMES:
            check_fixture(program, name, folder)
        check_tokenizer(program, folder)


if __name__ == "__main__":
    main()
