"""Compares Swiftlet's splitting of text with llama.cpp's, for every name of `tokenizer.ggml.pre`.

usage: tokenizer_gguf.py --llama DIR [--seed N] [--texts N] [--only NAME] [--damaged] [--program SWIFTLET]

DIR is a checkout of llama.cpp with build/bin/llama-tokenize; the names are those in its source. One vocabulary, trained
on seeded texts, is written to a GGUF file for each name. Both sides encode the same texts, in bytes; with --damaged
the texts are not all UTF-8.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import gguf
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokenizer_texts import Texts


def vocabulary(texts, is_byte_level):
    """Tokens and merges of a vocabulary that a trainer makes of the texts."""
    tokenizer = Tokenizer(models.BPE())
    alphabet = []
    if is_byte_level:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    else:
        texts = [text.replace(" ", "▁") for text in texts]
    trainer = trainers.BpeTrainer(vocab_size=3000, initial_alphabet=alphabet, show_progress=False, max_token_length=14,
                                  limit_alphabet=256 if is_byte_level else 500)
    tokenizer.train_from_iterator(texts, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    return tokens, [" ".join(merge) for merge in model["merges"]]


def write(path, name, tokens, merges, is_byte_level):
    """A GGUF file that holds nothing but a vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(name)
    kinds = [1] * len(tokens)
    if not is_byte_level:
        names = [f"<0x{byte:02X}>" for byte in range(256)]
        tokens = [f"<{index}>" if token in names else token for index, token in enumerate(tokens)] + names
        kinds = kinds + [6] * 256
    writer.add_token_list(tokens + ["<|end|>"])
    writer.add_token_types(kinds + [3])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(len(tokens))
    writer.add_bos_token_id(len(tokens))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def peer(program, path, text):
    """The ids of llama.cpp, without special tokens around."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        done = subprocess.run([program, "-m", path, "-f", file.name, "--ids", "--no-bos", "--log-disable", "--no-parse-special", "--no-escape"],
                              capture_output=True, timeout=60)
    found = re.search(rb"\[[-0-9, ]*\]", done.stdout)
    return json.loads(found.group()) if done.returncode == 0 and found else None


def ours(program, path, texts):
    done = subprocess.run([*program, "tokenize", "-m", path, "--lines", "--no-special", "--no-parse-special", "--no-escape"],
                          input="".join(json.dumps(list(text)) + "\n" for text in texts), capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr + done.stdout).strip()[:300])
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llama", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("--only", default="")
    parser.add_argument("--damaged", action="store_true")
    parser.add_argument("--program", default="swiftlet")
    options = parser.parse_args()
    with open(f"{options.llama}/src/llama-vocab.cpp") as file:
        names = sorted(set(re.findall(r'tokenizer_pre == "([^"]+)"', file.read())))
    source = Texts(options.seed)
    training = source.texts(2000)
    vocabularies = {kind: vocabulary(training, kind) for kind in (True, False)}
    plain = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"}
    total = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            if options.only not in name:
                continue
            path = f"{folder}/{name}.gguf"
            write(path, name, *vocabularies[name not in plain], name not in plain)
            texts = [source.damaged(source.text()) if options.damaged else source.text().encode() for _ in range(options.texts)]
            texts = [text for text in texts if text]
            try:
                found = ours(options.program.split(), path, texts)
            except (RuntimeError, ValueError) as error:
                print(f"{name}: {error}")
                wrong += 1
                continue
            count, shown = 0, None
            for text, ids in zip(texts, found, strict=True):
                want = peer(f"{options.llama}/build/bin/llama-tokenize", path, text)
                if want is None:
                    continue
                total += 1
                if want != ids:
                    count += 1
                    shown = shown if shown and len(shown[0]) <= len(text) else (text, want, ids)
            wrong += count
            if count:
                text, want, ids = shown
                tokens = vocabularies[name not in plain][0] + [f"<0x{b:02X}>" for b in range(256)]
                place = next((i for i, (a, b) in enumerate(zip(want, ids)) if a != b), min(len(want), len(ids)))
                print(f"{name}: {count} of {len(texts)} differ, for example {text.decode(errors='replace')!r:.160}\n"
                      f"  wanted {[tokens[i] for i in want[place:place + 8]]}\n  found  {[tokens[i] for i in ids[place:place + 8]]}",
                      flush=True)
    print(f"{len(names)} names, {total} texts, {wrong} differences")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
