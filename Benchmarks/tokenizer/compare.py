"""Prepares texts and tokenizers, and times Swiftlet and the library `tokenizers` in turns; see ../tokenizer.sh."""

import argparse
import ast
import gettext
import glob
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["RAYON_NUM_THREADS"] = "1"

import tokenizers
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"


# Texts

def take(parts, size):
    """As many parts as make `size` bytes."""
    taken = []
    for part in parts:
        if size <= 0:
            break
        taken.append(part)
        size -= len(part.encode())
    if size > 0:
        sys.exit(f"this machine's Python and message catalogues have {size} bytes too few for the texts")
    return taken


def python_texts():
    """The documentation strings and the sources of the installed Python packages."""
    paths = sysconfig.get_paths()
    docs, sources, seen = [], [], set()
    for path in sorted(p for root in (paths["stdlib"], paths["purelib"]) for p in glob.glob(f"{root}/**/*.py", recursive=True)):
        try:
            with open(path, encoding="utf8") as file:
                source = file.read()
            tree = ast.parse(source)
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue
        if len(source) < 60_000:
            sources.append(source)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
                doc = ast.get_docstring(node)
                if doc and len(doc) > 300 and doc not in seen:
                    seen.add(doc)
                    docs.append(doc)
    return docs, sources


def translations(draw):
    """Messages in all languages of /usr/share/locale, about as much of each."""
    messages = {}
    for path in sorted(glob.glob("/usr/share/locale/*/LC_MESSAGES/*.mo")):
        try:
            with open(path, "rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog
        except (OSError, UnicodeDecodeError, ValueError, LookupError):
            continue
        messages.setdefault(path.split("/")[4], []).extend(
            text for key, text in catalogue.items() if key and isinstance(text, str) and len(text) > 40)
    parts = []
    for texts in messages.values():
        texts = list(dict.fromkeys(texts))
        draw.shuffle(texts)
        size, kept = 120_000, []
        for text in texts:
            if size > 0:
                kept.append(text)
                size -= len(text.encode())
        parts += ["\n".join(kept[i:i + 20]) for i in range(0, len(kept), 20)]
    return parts


def write_texts(folder, size, seed):
    """english.txt: documentation of Python packages. mixed.txt: a quarter of that, a quarter source code, half translations."""
    draw = random.Random(seed)
    docs, sources = python_texts()
    draw.shuffle(docs)
    draw.shuffle(sources)
    world = translations(draw)
    draw.shuffle(world)
    mixed = take(docs[::-1], size // 4) + take(sources, size // 4) + take(world, size // 2)
    draw.shuffle(mixed)
    for name, parts in (("english", take(docs, size)), ("mixed", mixed)):
        with open(f"{folder}/{name}.txt", "w", encoding="utf8", newline="") as file:
            file.write("\n\n".join(parts))


# Tokenizers

def save(tokenizer, folder, name):
    os.makedirs(f"{folder}/{name}", exist_ok=True)
    tokenizer.save(f"{folder}/{name}/tokenizer.json")


def trained(folder, size):
    """Tokenizers of the usual kinds, trained on a part of the texts."""
    parts = []
    for name in ("english", "mixed"):
        with open(f"{folder}/{name}.txt", encoding="utf8", newline="") as file:
            parts += file.read(1_500_000).split("\n\n")
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    shared = {"vocab_size": size, "show_progress": False}
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for name, pre, normalizer in (
            ("gpt2", pre_tokenizers.ByteLevel(add_prefix_space=False), None),
            ("llama3", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CL100K), "isolated"), byte_level]), None),
            ("qwen2", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(CL100K.replace("{1,3}", "")), "isolated"), byte_level]),
             normalizers.NFC())):
        tokenizer = Tokenizer(models.BPE(ignore_merges=name == "llama3"))
        tokenizer.pre_tokenizer, tokenizer.decoder = pre, decoders.ByteLevel()
        if normalizer:
            tokenizer.normalizer = normalizer
        tokenizer.train_from_iterator(parts, trainers.BpeTrainer(initial_alphabet=alphabet, **shared))
        save(tokenizer, folder, name)
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer.train_from_iterator(parts, trainers.BpeTrainer(special_tokens=names, limit_alphabet=3000, **shared))
    whole = json.loads(tokenizer.to_str())  # the words are cut while training only, as SentencePiece does
    whole["pre_tokenizer"] = None
    whole["normalizer"] = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    whole["added_tokens"] = whole["added_tokens"][:3]
    save(Tokenizer.from_str(json.dumps(whole)), folder, "llama2")
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(parts, trainers.WordPieceTrainer(special_tokens=["[UNK]", "[CLS]", "[SEP]"], **shared))
    save(tokenizer, folder, "bert")
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.train_from_iterator(parts[::4], trainers.UnigramTrainer(
        vocab_size=size, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False))
    save(tokenizer, folder, "unigram")


# Times

def library_time(directory, path, size, fast):
    """Ids and seconds of processor time of the library; `fast` leaves its offsets out."""
    tokenizer = Tokenizer.from_file(f"{directory}/tokenizer.json")
    with open(path, "rb") as file:
        data = file.read()
    texts, start = [], 0
    while start < len(data):
        end = min(start + size, len(data)) if size else len(data)
        while end < len(data) and data[end] & 0xC0 == 0x80:
            end += 1
        texts.append(data[start:end].decode())
        start = end
    begin = time.process_time()
    if fast:
        count = sum(len(tokenizer.encode_batch_fast([text], add_special_tokens=False)[0].ids) for text in texts)
    else:
        count = sum(len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts)
    return count, time.process_time() - begin


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tool", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=10_000_000)
    parser.add_argument("--vocabulary", type=int, default=32_000)
    parser.add_argument("--library", nargs=4)
    parser.add_argument("directories", nargs="*")
    options = parser.parse_args()
    if options.library:
        directory, path, size, fast = options.library
        print(*library_time(directory, path, int(size), fast == "fast"))
        return
    folder = options.folder
    if not os.path.exists(f"{folder}/mixed.txt"):
        write_texts(folder, options.size, 1)
    directories = options.directories
    if not directories:
        names = ["gpt2", "llama3", "qwen2", "llama2", "bert", "unigram"]
        if not os.path.exists(f"{folder}/unigram/tokenizer.json"):
            trained(folder, options.vocabulary)
        directories = [f"{folder}/{name}" for name in names]

    def measured(command):
        count, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        return int(count), float(seconds)

    print(f"tokenizers {tokenizers.__version__}; MB/s of text by processor time, median of {options.rounds} rounds in turns")
    print(f"{'tokenizer':<12}{'text':<9}{'each':<8}{'swiftlet':>9}{'library':>9}{'ratio':>7}{'no offsets':>12}{'ratio':>7}")
    for size, directory, text in itertools.product((8000, 0), directories, ("english", "mixed")):
        path = f"{folder}/{text}.txt"
        times = {"swiftlet": [], "library": [], "fast": []}
        for _ in range(options.rounds):
            count, seconds = measured([options.tool, "time", "-m", directory, path, str(size)])
            times["swiftlet"].append(seconds)
            for kind in ("library", "fast"):
                same, seconds = measured([sys.executable, __file__, "--tool", "", "--folder", folder, "--library", directory, path,
                                          str(size), kind])
                times[kind].append(seconds)
                if same != count:
                    sys.exit(f"{directory}, {text}: {count} tokens, but the library has {same}")
        speed = {kind: os.path.getsize(path) / 1e6 / statistics.median(values) for kind, values in times.items()}
        print(f"{os.path.basename(directory):<12}{text:<9}{'8 kB' if size else 'whole':<8}{speed['swiftlet']:>9.1f}"
              f"{speed['library']:>9.2f}{speed['swiftlet'] / speed['library']:>6.1f}x{speed['fast']:>12.2f}"
              f"{speed['swiftlet'] / speed['fast']:>6.1f}x", flush=True)


if __name__ == "__main__":
    main()
