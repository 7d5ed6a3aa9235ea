#!/usr/bin/env python3
"""Writes pretok.json: what the pre-tokenizers and normalizers of `tokenizers` make of generated texts.

Pieces are joined by U+241E, which no text holds; where the configuration has ByteLevel they are written in its alphabet.

Needs: pip install tokenizers sentencepiece
"""
import base64
import json
import random
import tempfile
from pathlib import Path

import sentencepiece
from tokenizers import Tokenizer, __version__

HERE = Path(__file__).resolve().parent
CHARACTERS = (
    list("abcstrevlmdSTLRABC  '''’.,!-_()/$+^~\"\n\n\r\t 0123456789")
    + "ſ é ß Ω ς Σ я Я 中 文 一 あ ア ー 한 ก ำ ب ع ǅ ʰ ﬁ Ａ ａ Å İ ẞ ٣ ५ ½ Ⅷ ² 𝟘 \u0301 \u0323 \u05b0 \u093f \u20dd \u0345".split()
    + "。 、 « » € ™ 😀 👩\u200d👩\u200d👧 \u200d \u00ad \ue000 \u0378 \x01 \x1b \x7f ㎏ 각 \u1100 \u1161 \u11a8 \u0344 ① ﷺ \ufeff \ufffd ▁".split(" ")
    + ["\r\n", "\x0b", "\x0c", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u3000", "'s", "'LL", "'ſ", "   ", "12345"]
)
BASE_TEXTS = [
    "Hello, world! It's 2024: I'll pay $1,234.56 (or €9); that's it.\n\n  Next   line\t\tend  ",
    "  leading\u00a0and trailing \r\n\r\n naïve café CO2 ½ H₂O don't DON'T  ",
    "def f(x):\n    return x**2  # 平方，你好。こんにちは 안녕하세요 สวัสดี हिन्दी عربي\n",
    "iPhone15ProMax XMLHttpRequest éÉa ÀÉÎ ǅungla 'tis 'S 's",
]
CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SLASHED = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}%s]*[\p{Ll}\p{Lm}\p{Lo}\p{M}%s]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}%s]+[\p{Ll}\p{Lm}\p{Lo}\p{M}%s]*|"
)


def regex(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def literal(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": {"String": pattern}, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def byte_level(prefix=False, use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": use_regex}


def metaspace(scheme, split=True):
    return {"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split}


BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]
PATTERNS = [
    CONTRACTIONS + "|" + WORDS + r"|\p{N}{1,3}" + REST,
    CONTRACTIONS + "|" + WORDS + r"|\p{N}" + REST,
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    CASED % ("", "", "", "") + r"\p{N}" + SLASHED,
    (CASED % ("", "", "", "")).replace("]+|", "]+" + CONTRACTIONS + "?|").replace("]*|", "]*" + CONTRACTIONS + "?|")
    + r"\p{N}{1,3}" + SLASHED,
    r"[\p{Han}]+|" + CASED % ((r"&&[^\p{Han}]",) * 4) + r"\p{N}{1,3}" + REST,
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]?|\s*[\r\n]|\s+(?!\S)|\s+",
    r" ?[^(\s|.,!?…。，、।۔،)]+",
    r"\d{1,3}(?=(?:\d{3})*\b)",
    r"(?=(\d{3})+(?!\d))",
    r"\s{16}(?!\S)|\s{2}(?!\S)|\s{1,2}(?!\S)|\s{1}",
    r"(?<=[a-z])(?=[A-Z])|(?<!\s)\d",
    r"(?<=ab|c)\w|(?<![a-zé])\W",
    r"(?>a+|ab)b?|\bt\B|\Bs\b",
    r"^.|.$",
    r"\A\s*|\s*\z|\R",
    r"[[:alpha:]]+?|[[:^space:][:digit:]]{2}",
    r"\h+|\H{,2}",
    r"\p{^L}+|\P{^Lu}|\p{Greek}\p{Cyrillic}?",
    r"(?i)ΣΤ?|[k-t]+|я|å",
    r"(a|ab)(c|bcd)?|(?<name>s+)(?#comment)t*?|[a-c&&[^b]]+|[\]\-x^-]",
    r"(?x) \d+ \. \d*  # a number" + "\n | [+-]",
    r"(?m).+|",
    r"\x41|\u0042|\x{43}|\t|\n|[\x{4e00}-\x{9fff}]+",
    r"\w+|[^\w\s]+",
]
PRE = (
    [byte_level(), byte_level(True), byte_level(False, False)]
    + [regex(p) for p in PATTERNS]
    + [regex(r"\s+|[,.]", b, i) for b in BEHAVIORS for i in (False, True)]
    + [literal(" ", b, i) for b in BEHAVIORS for i in (False, True)]
    + [literal("ab"), literal("")]
    + [regex(PATTERNS[0], "Removed", True), regex(PATTERNS[1], "Contiguous"), regex(PATTERNS[0], "MergedWithPrevious")]
    + [metaspace(s, b) for s in ("always", "first", "never") for b in (True, False)]
    + [{"type": "Metaspace", "replacement": "_", "add_prefix_space": True}]
    + [{"type": "Digits", "individual_digits": b} for b in (True, False)]
    + [{"type": t} for t in ("Whitespace", "WhitespaceSplit", "BertPreTokenizer", "UnicodeScripts")]
    + [{"type": "Punctuation", "behavior": b} for b in BEHAVIORS]
    + [{"type": "CharDelimiterSplit", "delimiter": "a"}, {"type": "FixedLength", "length": 3}]
    + [
        sequence(regex(PATTERNS[0]), byte_level(False, False)),
        sequence({"type": "Digits", "individual_digits": True}, byte_level()),
        sequence({"type": "WhitespaceSplit"}, metaspace("first")),
        sequence({"type": "WhitespaceSplit"}, metaspace("always")),
        sequence({"type": "Punctuation", "behavior": "Contiguous"}, byte_level(),
                 {"type": "Digits", "individual_digits": False}, regex("[0-9][0-9][0-9]")),
        sequence(regex(r"\p{N}{1,3}"), regex("[一-龥぀-ゟ゠-ヿ]+"),
                 regex(r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+"
                       r"| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"), byte_level(False, False)),
        sequence(regex("[\r\n]"), regex(r"\s?\p{L}+"), regex(r"\s?\p{P}+"), regex("[一-龥ࠀ-一가-퟿]+"),
                 {"type": "Digits", "individual_digits": True}, byte_level(False, False)),
    ]
)


def field(message, number):
    """The last length-delimited field of that number in a protocol buffer."""
    found, i = b"", 0

    def varint():
        nonlocal i
        value, shift = 0, 0
        while True:
            byte = message[i]
            i += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while i < len(message):
        key = varint()
        if key & 7 == 0:
            varint()
        elif key & 7 == 2:
            length = varint()
            if key >> 3 == number:
                found = message[i : i + length]
            i += length
        else:
            i += 4 if key & 7 == 5 else 8
    return found


def character_map():
    """A small SentencePiece character map, with keys that are prefixes of others."""
    with tempfile.TemporaryDirectory() as folder:
        rules = Path(folder) / "rules.tsv"
        pairs = {"ﬁ": "fi", "Ａ": "A", "ａ": "a", "①": "1", "㎏": "kg", "\u3000": " ", "\t": " ", "a": "b", "ab": "X",
                 "\u0301": "", "é": "e", "中": "国", "中文": "Y", "\u1100\u1161": "가", "😀": ":)", "é": "E", "\n": " "}
        rules.write_text("".join(
            " ".join(f"{ord(c):X}" for c in k) + "\t" + " ".join(f"{ord(c):X}" for c in v) + "\n"
            for k, v in pairs.items()))
        corpus = Path(folder) / "corpus.txt"
        corpus.write_text("hello world this is a test of a corpus\n" * 20)
        sentencepiece.SentencePieceTrainer.train(
            input=str(corpus), model_prefix=folder + "/m", vocab_size=24, model_type="unigram",
            normalization_rule_tsv=str(rules), hard_vocab_limit=False, minloglevel=2)
        model = (Path(folder) / "m.model").read_bytes()
    return base64.b64encode(field(field(model, 3), 2)).decode()  # normalizer_spec, precompiled_charsmap


def normalizers():
    bert = [
        {"type": "BertNormalizer", "clean_text": a, "handle_chinese_chars": b, "strip_accents": c, "lowercase": d}
        for a, b, c, d in [(True, True, None, True), (True, False, False, True), (False, True, True, False),
                           (True, True, None, False)]
    ]
    return (
        [{"type": t} for t in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel")]
        + [{"type": "Strip", "strip_left": a, "strip_right": b} for a in (True, False) for b in (True, False)]
        + [{"type": "Prepend", "prepend": "▁"}]
        + [{"type": "Replace", "pattern": p, "content": c}
           for p, c in [({"String": " "}, "▁"), ({"Regex": r"\s{2,}"}, " "), ({"Regex": r"(?i)[a-c]+|\d"}, ""),
                        ({"String": "''"}, "\"")]]
        + bert
        + [{"type": "Precompiled", "precompiled_charsmap": character_map()}]
        + [{"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}, {"type": "StripAccents"}]},
           {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "NFC"}]}]
    )


def main():
    generator = random.Random(20240607)
    texts = list(BASE_TEXTS)
    while len(texts) < 40:
        texts.append("".join(generator.choice(CHARACTERS) for _ in range(generator.randint(20, 60))))
    out = {"generator": f"tokenizers {__version__}", "texts": texts, "pre_tokenizers": [], "normalizers": []}

    def load(key, config):
        return Tokenizer.from_str(json.dumps({"version": "1.0", "added_tokens": [], key: config,
                                              "model": {"type": "BPE", "vocab": {}, "merges": []}}))

    for place, config in enumerate(PRE):
        step = load("pre_tokenizer", config).pre_tokenizer
        chosen = [0, 1] + [(place * 5 + k) % len(texts) for k in range(4)]
        cases = []
        for index in dict.fromkeys(chosen):
            pieces = [p for p, _ in step.pre_tokenize_str(texts[index])]
            assert not any("␞" in p for p in pieces)
            cases.append([index, "␞".join(pieces)])
        out["pre_tokenizers"].append({"config": config, "cases": cases})
    for place, config in enumerate(normalizers()):
        step = load("normalizer", config).normalizer
        cases = [[i, step.normalize_str(texts[i])] for i in [1] + [2 + (place * 3 + k) % 38 for k in range(8)]]
        out["normalizers"].append({"config": config, "cases": cases})
    lines = json.dumps(out, ensure_ascii=False, indent=None, separators=(",", ":")).replace('{"config"', '\n{"config"')
    (HERE / "pretok.json").write_text(lines + "\n")
    print(len(lines.encode()))


if __name__ == "__main__":
    main()
