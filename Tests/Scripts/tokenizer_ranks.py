"""Compares Swiftlet with tiktoken and mistral-common on vocabularies that are lists of ranks.

usage: tokenizer_ranks.py [--seed N] [--texts N] [--program SWIFTLET] [--keep DIR]

A vocabulary is trained on seeded texts and written under the name of each published encoding, and as tekken.json. Both
sides encode the same texts without special tokens and decode the tokens.
"""

import argparse
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"

import tiktoken
import tiktoken_ext.openai_public as published
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from tokenizer_texts import Texts

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
TEKKEN = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
          r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
          r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")


def ranks(texts, size):
    """Tokens in bytes, in the order of their ranks; the single bytes come first."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=alphabet, show_progress=False, max_token_length=24)
    tokenizer.train_from_iterator(texts, trainer)
    vocabulary = json.loads(tokenizer.to_str())["model"]["vocab"]
    bytes_of, extra = {}, 0
    for byte in range(256):
        printable = 0x21 <= byte <= 0x7E or 0xA1 <= byte <= 0xAC or byte >= 0xAE
        bytes_of[chr(byte if printable else 256 + extra)] = byte
        extra += not printable
    tokens = [bytes(bytes_of[c] for c in text) for text in sorted(vocabulary, key=vocabulary.get)]
    longer = [token for token in tokens if len(token) > 1]
    return [bytes([byte]) for byte in range(256)] + longer


def pattern(name):
    """The pattern of a published encoding, whose file is not read."""
    kept = published.load_tiktoken_bpe
    published.load_tiktoken_bpe = lambda *_, **__: {}
    try:
        return getattr(published, name)()["pat_str"]
    finally:
        published.load_tiktoken_bpe = kept


def swiftlet(program, verb, directory, lines, *flags):
    done = subprocess.run([*program, verb, "-m", directory, "--lines", *flags], input="".join(json.dumps(l) + "\n" for l in lines),
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError((done.stderr + done.stdout).strip()[:300])
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--size", type=int, default=4000)
    parser.add_argument("--program", default="swiftlet")
    parser.add_argument("--keep", help="leave the files there")
    options = parser.parse_args()
    source = Texts(options.seed)
    tokens = ranks(source.texts(2000), options.size)
    folder = options.keep or tempfile.mkdtemp()
    names = {"r50k_base": pattern("r50k_base"), "p50k_base": pattern("p50k_base"), "cl100k_base": pattern("cl100k_base"),
             "o200k_base": pattern("o200k_base"), "llama3": LLAMA3, "qwen": LLAMA3.replace("{1,3}", ""), "tekken": TEKKEN}
    total = wrong = 0
    for name, text_pattern in names.items():
        directory = f"{folder}/{name}"
        os.makedirs(directory, exist_ok=True)
        texts = source.texts(options.texts)
        if name == "tekken":
            vocab = [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
                     for rank, token in enumerate(tokens)]
            with open(f"{directory}/tekken.json", "w") as file:
                json.dump({"config": {"pattern": text_pattern, "num_vocab_tokens": len(vocab), "default_vocab_size": len(vocab) + 90,
                                      "default_num_special_tokens": 100, "version": "v3"}, "vocab": vocab}, file)
            reference = Tekkenizer.from_file(f"{directory}/tekken.json")
            encode, decode = (lambda text: reference.encode(text, bos=False, eos=False)), reference.decode
        else:
            with open(f"{directory}/{name}.tiktoken", "w") as file:
                file.writelines(f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens))
            reference = tiktoken.Encoding(name, pat_str=text_pattern, special_tokens={},
                                          mergeable_ranks={token: rank for rank, token in enumerate(tokens)})
            encode, decode = reference.encode_ordinary, reference.decode
        expected = [encode(text) for text in texts]
        found = swiftlet(options.program.split(), "tokenize", directory, texts, "--no-special", "--no-parse-special")
        answers = swiftlet(options.program.split(), "detokenize", directory, expected)
        count = 0
        for text, want, ids, answer in zip(texts, expected, found, answers, strict=True):
            total += 2
            if want != ids or decode(want) != answer:
                count += 1
                if count == 1:
                    print(f"{name}: {text!r:.200}\n  wanted {want!r:.200}\n  found  {ids!r:.200}")
        wrong += count
        print(f"{name}: {count} of {len(texts)} texts differ", flush=True)
    if not options.keep:
        shutil.rmtree(folder)
    print(f"{total} answers, {wrong} differences")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
