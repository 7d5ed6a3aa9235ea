"""Compares Swiftlet's tokenizers with the library `tokenizers`, over every component of tokenizer.json.

usage: tokenizer_equality.py [--seed N] [--random N] [--texts N] [--only TEXT] [--keep DIR] [--program SWIFTLET]

Every component is tried alone with its options, then in random combinations; each tokenizer gets a vocabulary that is
trained on seeded texts. Both sides encode the same texts (with special tokens and without) and decode both what they
encoded and random ids. The report says how many answers differ; the exit status is 1 if any does.

Two differences are meant and not counted. Runs of U+FFFD count as one. Behind ByteFallback, texts with U+FFFD are left
out: Swiftlet keeps every byte, so that decoding undoes encoding, where the library marks all bytes of a run of byte
tokens if one of them is wrong.
"""

import argparse
import collections
import itertools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from tokenizers import AddedToken, Tokenizer, models, trainers

from tokenizer_texts import MARKUP, SAMPLES, Texts

GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CL100K = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
O200K = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN35 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
PATTERNS = [
    GPT2, CL100K, CL100K.replace("{1,3}", ""), O200K, QWEN35, r"\s+", r"\w+|[^\w\s]+", r"\d{1,3}(?=(?:\d{3})*\b)", r"[A-Z]?[a-z]+",
    r"(?=(\d{3})+(?!\d))", r"\p{Han}", r"[\p{Hiragana}\p{Katakana}ー]+", r"[^\S\n]+", r"\b", r"(?<=\p{L})\p{P}", r"x*", r"\p{Lu}\p{Ll}+",
    r"[一-龥぀-ゟ゠-ヿ]+", r"(?i)the|LAY", r"^\s|\s$", r"[[:punct:]]+", r"\S+", r"[\r\n]", r"[\p{P}\p{S}]",
]
CLUSTERS = [r"\X", r"\p{Emoji}+", r"\X{2}", r"\P{Extended_Pictographic}+", r"[\p{Emoji_Presentation}\p{L}]", r"\N", r"\p{L}\X"]
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
BEHAVIORS = ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]


def product(kind, **options):
    """All objects of a type with every combination of option values."""
    names = list(options)
    for values in itertools.product(*options.values()):
        yield {"type": kind, **dict(zip(names, values))}


def normalizers():
    flags = [True, False]
    yield None
    for kind in ("NFC", "NFD", "NFKC", "NFKD", "Lowercase", "StripAccents", "Nmt", "ByteLevel"):
        yield {"type": kind}
    yield from product("BertNormalizer", clean_text=flags, handle_chinese_chars=flags, strip_accents=[None, True, False],
                       lowercase=flags)
    yield from product("Strip", strip_left=flags, strip_right=flags)
    yield from product("Prepend", prepend=["▁", "ab", "é"])
    yield from product("Replace", pattern=[{"String": " "}, {"String": "e"}, {"String": "''"}, {"Regex": " {2,}"}, {"Regex": r"\p{Mn}"},
                                           {"Regex": r"\s+"}, {"Regex": r"[^\w\s]"}, {"Regex": "x*"}], content=["▁", "", "aa"])
    yield {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}, {"type": "Lowercase"}]}
    yield {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
                                               {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
    yield {"type": "Sequence", "normalizers": [{"type": "Nmt"}, {"type": "NFKC"}, {"type": "Replace", "pattern": {"Regex": " {2,}"},
                                                                                   "content": " "}]}
    for name in PRECOMPILED:
        yield {"type": "Precompiled", "precompiled_charsmap": PRECOMPILED[name]}


def pre_tokenizers():
    flags = [True, False]
    yield None
    for kind in ("BertPreTokenizer", "Whitespace", "WhitespaceSplit", "UnicodeScripts"):
        yield {"type": kind}
    yield from product("ByteLevel", add_prefix_space=flags, trim_offsets=[True], use_regex=flags)
    yield from product("CharDelimiterSplit", delimiter=["e", " ", "あ"])
    yield from product("Digits", individual_digits=flags)
    yield from product("Punctuation", behavior=BEHAVIORS)
    yield from product("FixedLength", length=[1, 3, 7])
    yield from product("Metaspace", replacement=["▁", "_"], prepend_scheme=["always", "first", "never"], split=flags)
    yield from product("Split", pattern=[{"String": s} for s in (" ", "e", "ll", "▁")], behavior=BEHAVIORS, invert=flags)
    for index, pattern in enumerate(PATTERNS):
        for offset, invert in enumerate(flags):
            yield {"type": "Split", "pattern": {"Regex": pattern}, "behavior": BEHAVIORS[(index + offset) % 5], "invert": invert}
        yield {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    for pattern in PATTERNS[:5]:
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}
        yield {"type": "Sequence", "pretokenizers": [split, byte_level]}
    yield {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {**byte_level, "use_regex": True}]}
    yield {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, {"type": "Metaspace", "replacement": "▁",
                                                                              "prepend_scheme": "always", "split": True}]}
    yield {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}, {"type": "Punctuation", "behavior": "Contiguous"}]}
    yield {"type": "Sequence", "pretokenizers": [{"type": "Punctuation", "behavior": "MergedWithNext"}, byte_level,
                                                 {"type": "Digits", "individual_digits": False}]}


def first_marks(index, normalizer):
    """A pre-tokenizer that puts a mark before what begins at the first character of the input.

    ByteLevel does not follow a normalizer that adds text before all characters: there the library doubles text.
    """
    mark = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": index % 2 == 0}
    before = (None, {"type": "Split", "pattern": {"Regex": r"\w|\W"}, "behavior": "Isolated", "invert": False},
              {"type": "Punctuation", "behavior": "Isolated"},
              {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}, mark)[index % 5]
    doubles = index % 5 == 3 and "x*" in json.dumps(normalizer)
    return mark if before is None or doubles else {"type": "Sequence", "pretokenizers": [before, mark]}


def decoders():
    flags = [True, False]
    yield None
    yield from product("ByteLevel", add_prefix_space=[True], trim_offsets=[True], use_regex=[True])
    yield from product("WordPiece", prefix=["##", "Ġ", "a"], cleanup=flags)
    yield from product("Metaspace", replacement=["▁", "_"], prepend_scheme=["always", "first", "never"], split=[True])
    yield from product("BPEDecoder", suffix=["</w>", "e"])
    yield from product("CTC", pad_token=["<pad>", "e"], word_delimiter_token=["|", " "], cleanup=flags)
    yield from product("Strip", content=["▁", "e"], start=[0, 1, 2], stop=[0, 1])
    yield from product("Replace", pattern=[{"String": "▁"}, {"String": "e"}, {"Regex": "[aeiou]+"}], content=[" ", ""])
    yield {"type": "ByteFallback"}
    yield {"type": "Fuse"}
    replace = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    strip = {"type": "Strip", "content": " ", "start": 1, "stop": 0}
    for steps in ([replace, {"type": "ByteFallback"}, {"type": "Fuse"}, strip], [{"type": "ByteFallback"}, {"type": "Fuse"}],
                  [{"type": "Fuse"}, replace, strip], [replace, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 0, "stop": 2}],
                  [{"type": "WordPiece", "prefix": "##", "cleanup": True}, {"type": "Fuse"}, {"type": "Replace", "pattern": {"Regex": " +"},
                                                                                                "content": "_"}],
                  [{"type": "ByteFallback"}, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}],
                  [{"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True}, {"type": "Fuse"}],
                  [{"type": "Strip", "content": "▁", "start": 1, "stop": 1}, {"type": "BPEDecoder", "suffix": "e"}],
                  [{"type": "Fuse"}, {"type": "ByteFallback"}], [replace, BYTE_LEVEL],
                  [BYTE_LEVEL, replace], [{"type": "Fuse"}, {"type": "WordPiece", "prefix": "##", "cleanup": True}]):
        yield {"type": "Sequence", "decoders": steps}


def post_processors(ids):
    """`ids`: texts and ids of tokens to put around a text."""
    (cls, cls_id), (sep, sep_id) = ids
    tokens = {name: {"id": name, "ids": [number], "tokens": [name]} for name, number in ids}
    yield None
    yield from product("ByteLevel", add_prefix_space=[True], trim_offsets=[True, False], use_regex=[True])
    yield {"type": "BertProcessing", "sep": [sep, sep_id], "cls": [cls, cls_id]}
    yield from product("RobertaProcessing", sep=[[sep, sep_id]], cls=[[cls, cls_id]], trim_offsets=[True], add_prefix_space=[False])
    text, special = {"Sequence": {"id": "A", "type_id": 0}}, lambda name: {"SpecialToken": {"id": name, "type_id": 0}}
    pair = [text, {"Sequence": {"id": "B", "type_id": 1}}]
    template = {"type": "TemplateProcessing", "pair": pair, "special_tokens": tokens}
    yield {**template, "single": [special(cls), text, special(sep)]}
    yield {**template, "single": [special(cls), special(cls), text]}
    yield {**template, "single": [text, special(sep)]}
    yield {"type": "Sequence", "processors": [{"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True},
                                              {**template, "single": [special(cls), text]}]}
    yield {"type": "Sequence", "processors": [{**template, "single": [special(cls), text]}, {**template, "single": [text, special(sep)]}]}


# Whether to train vocabularies of a fifth of the size.
SIZES = {"small": False}
MODELS = ["BPE", "BPE-bytes", "BPE-fuse", "BPE-whole", "BPE-prefix", "BPE-suffix", "BPE-nounk", "WordPiece", "WordPiece-short", "WordLevel",
          "Unigram", "Unigram-bytes", "Unigram-nounk"]
PRECOMPILED = {}


def precompiled():
    """The maps that sentencepiece puts into its models."""
    import base64
    import io

    import sentencepiece
    for rule in ("nmt_nfkc", "nmt_nfkc_cf"):
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SAMPLES[:1]), model_writer=model, vocab_size=60, hard_vocab_limit=False,
            normalization_rule_name=rule, minloglevel=2)
        # normalizer_spec is field 3 of the model, the map field 2 of that.
        spec = field(model.getvalue(), 3)
        PRECOMPILED[rule] = base64.b64encode(field(spec, 2)).decode()


def field(data, wanted):
    """A field of a protocol buffer that has a length."""
    def varint(at):
        value = shift = 0
        while True:
            value |= (data[at] & 127) << shift
            at, shift = at + 1, shift + 7
            if data[at - 1] < 128:
                return value, at
    at = 0
    while at < len(data):
        key, at = varint(at)
        match key & 7:
            case 0: _, at = varint(at)
            case 1: at += 8
            case 5: at += 4
            case _:
                length, at = varint(at)
                if key >> 3 == wanted:
                    return data[at:at + length]
                at += length
    return b""


def common(texts, count):
    """The texts without their rarer characters."""
    counts = collections.Counter("".join(texts))
    kept = {character for character, _ in counts.most_common(count)}
    return ["".join(character for character in text if character in kept) for text in texts]


def train(kind, normalizer, pre_tokenizer, texts):
    """The JSON of a tokenizer with a small vocabulary."""
    name, _, variant = kind.partition("-")
    specials = ["<unk>", "<s>", "</s>", "<pad>"]
    decoration = {"prefix": {"continuing_subword_prefix": "##"}, "suffix": {"end_of_word_suffix": "</w>"}}.get(variant, {})
    unknown = {} if variant == "nounk" else {"unk_token": "<unk>"}
    shared = {"special_tokens": specials, "show_progress": False}
    scale = 5 if SIZES["small"] else 1
    letters = 350 // scale
    model, trainer = {
        "BPE": lambda: (models.BPE(**unknown, **decoration),
                        trainers.BpeTrainer(vocab_size=700 // scale, limit_alphabet=letters, max_token_length=20, **shared, **decoration)),
        "WordPiece": lambda: (models.WordPiece(unk_token="<unk>", max_input_chars_per_word=5 if variant else 100),
                              trainers.WordPieceTrainer(vocab_size=900 // scale, limit_alphabet=letters, **shared)),
        "WordLevel": lambda: (models.WordLevel(unk_token="<unk>"), trainers.WordLevelTrainer(vocab_size=600 // scale, **shared)),
        "Unigram": lambda: (models.Unigram(),
                            trainers.UnigramTrainer(vocab_size=1000 // scale, unk_token="<unk>", max_piece_length=8, **shared)),
    }[name]()
    tokenizer = Tokenizer(model)
    whole = json.loads(tokenizer.to_str())
    whole["normalizer"], whole["pre_tokenizer"] = normalizer, pre_tokenizer
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    if name == "Unigram":
        texts = common(texts, 250 // scale)  # this trainer puts every character of the texts into the vocabulary
    tokenizer.train_from_iterator(texts, trainer)
    whole = json.loads(tokenizer.to_str())
    model = whole["model"]
    if variant == "bytes":
        for byte in range(256):
            if name == "BPE":
                model["vocab"].setdefault(f"<0x{byte:02X}>", len(model["vocab"]))
            else:
                model["vocab"].append([f"<0x{byte:02X}>", -20.0])
        model["byte_fallback"] = True
    if variant == "fuse":
        model["fuse_unk"] = True
    if variant == "whole":
        model["ignore_merges"] = True
    if name == "Unigram" and variant == "nounk":
        model["unk_id"] = None
    return whole


def add_tokens(whole, draw):
    """Adds tokens with random flags.

    Of several that are normalised to one text the library finds another one in every run; one that is normalised to
    nothing makes it split between all characters. Neither is added.
    """
    contents = draw.sample([m for m in MARKUP if m.strip()], draw.randint(0, 8))
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    forms = set()
    for content in contents:
        flags = {name: draw.random() < 0.35 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        special = flags.pop("special")
        token = AddedToken(content, **flags, special=special)
        if flags["normalized"] and tokenizer.normalizer:
            form = tokenizer.normalizer.normalize_str(content)
            if not form or form in forms:
                continue
            forms.add(form)
        (tokenizer.add_special_tokens if special else tokenizer.add_tokens)([token])
    return json.loads(tokenizer.to_str())


def cases(texts, draw, random_count):
    """Names and JSON of all tokenizers."""
    def title(part):
        return "-" if part is None else re.sub(r'["{} ]', "", json.dumps(part, ensure_ascii=False))[:70]
    default = {"type": "Whitespace"}
    rows = []
    for index, normalizer in enumerate(normalizers()):
        rows.append((f"normalizer {title(normalizer)}", ("BPE-bytes", "Unigram", "BPE")[index % 3], normalizer,
                     None if index % 2 else default, None, None))
    for index, pre in enumerate(pre_tokenizers()):
        rows.append((f"pre_tokenizer {title(pre)}", ("BPE", "WordLevel", "Unigram", "BPE-fuse")[index % 4], None, pre, None, None))
    for kind in MODELS:
        for pre in (None, default, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
                    {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}):
            rows.append((f"model {kind} {title(pre)}", kind, None, pre, None, None))
    for index, decoder in enumerate(decoders()):
        rows.append((f"decoder {title(decoder)}", ("BPE-bytes", "Unigram-bytes", "BPE-suffix", "WordPiece")[index % 4], None,
                     default if index % 2 else None, decoder, None))
    for index in range(9):
        rows.append((f"post_processor {index}", "BPE", None, default, None, index))
    pools = [list(normalizers()), list(pre_tokenizers()), list(decoders())]
    for index in range(random_count):
        normalizer = draw.choice(pools[0])
        if draw.random() < 0.3:
            normalizer = {"type": "Sequence", "normalizers": [n for n in draw.choices(pools[0], k=draw.randint(1, 3)) if n]}
        pre = draw.choice(pools[1])
        if draw.random() < 0.4:
            pre = {"type": "Sequence", "pretokenizers": [p for p in draw.choices(pools[1], k=draw.randint(1, 3)) if p]}
        rows.append((f"random {index}", draw.choice(MODELS), normalizer, pre, draw.choice(pools[2]), draw.randrange(9)))
    for index, normalizer in enumerate(pools[0]):
        rows.append((f"origin {title(normalizer)}", ("BPE", "Unigram", "BPE-bytes")[index % 3], normalizer, first_marks(index, normalizer), None, None))
    for index, pattern in enumerate(CLUSTERS):
        split = {"type": "Split", "pattern": {"Regex": pattern}, "behavior": BEHAVIORS[index % 5], "invert": False}
        rows.append((f"cluster {pattern}", "BPE", None, split, None, None))
    for name, kind, normalizer, pre, decoder, post in rows:
        yield name, kind, normalizer, pre, decoder, post


def build(row, texts, draw):
    name, kind, normalizer, pre, decoder, post = row
    whole = train(kind, normalizer, pre, texts)
    whole["decoder"] = decoder
    if post is not None:
        numbers = {token["content"]: token["id"] for token in whole["added_tokens"]}
        whole["post_processor"] = list(post_processors([("<s>", numbers["<s>"]), ("</s>", numbers["</s>"])]))[post]
    return add_tokens(whole, draw)


def swiftlet(program, verb, directory, lines, *flags):
    """The answers of `swiftlet VERB --lines`, one for each line."""
    done = subprocess.run([*program, verb, "-m", directory, "--lines", *flags], input="".join(json.dumps(l) + "\n" for l in lines),
                          capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError((done.stderr + done.stdout).strip()[:400])
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def attempt(body):
    try:
        return body()
    except BaseException:  # the library panics on some texts
        return None


def one_mark(text):
    return re.sub("\ufffd+", "\ufffd", text)


def compare(tokenizer, program, directory, texts, draw):
    """Counts of answers and of differences, and the first differences."""
    counts, wrong, shown = 0, 0, []
    bound = tokenizer.get_vocab_size() + 3
    for special, parse in ((True, True), (False, False)):
        tokenizer.encode_special_tokens = not parse
        expected = [attempt(lambda: tokenizer.encode(t, add_special_tokens=special).ids) for t in texts]
        flags = [] if special else ["--no-special", "--no-parse-special"]
        for text, want, found in zip(texts, expected, swiftlet(program, "tokenize", directory, texts, *flags), strict=True):
            if want is None:
                continue
            counts += 1
            if want != found:
                wrong += 1
                shown.append(("encode", special, text, want, found))
        if special:
            encoded = [ids for ids in expected if ids is not None]
    lists = encoded + [[draw.randrange(bound) for _ in range(draw.choice((1, 2, 5, 12)))] for _ in range(len(texts) // 2)]
    keeps_bytes = "ByteFallback" in json.dumps(json.loads(tokenizer.to_str())["decoder"])
    for skip in (False, True):
        expected = [attempt(lambda: tokenizer.decode(ids, skip_special_tokens=skip)) for ids in lists]
        answers = swiftlet(program, "detokenize", directory, lists, *(["--no-special"] if skip else []))
        for ids, want, found in zip(lists, expected, answers, strict=True):
            if want is None or keeps_bytes and "\ufffd" in want:
                continue
            counts += 1
            if one_mark(want) != one_mark(found):
                wrong += 1
                shown.append(("decode", skip, ids, want, found))
    return counts, wrong, shown


def alone(body):
    """The answer of `body` from a process of its own with limits; `None` if it dies: the library may loop for ever."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
        signal.alarm(300)
        with os.fdopen(writer, "w") as file:
            file.write(json.dumps(body()))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    return json.loads(answer) if status == 0 and answer else None


def one(row, index, training, texts, options):
    """A tokenizer, the number of answers and of differences, and the differences; or why the library refuses it."""
    draw = random.Random(f"{options.seed} {index}")
    try:
        whole = build(row, training, draw)
        tokenizer = Tokenizer.from_str(json.dumps(whole))
    except BaseException as error:
        return str(error) or "without a word"
    with tempfile.TemporaryDirectory() as directory:
        with open(f"{directory}/tokenizer.json", "w") as file:
            json.dump(whole, file, ensure_ascii=False)
        try:
            return whole, *compare(tokenizer, options.program.split(), directory, texts, draw)
        except (RuntimeError, ValueError) as error:
            return whole, 1, 1, [("run", "", "", "", str(error))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--random", type=int, default=150, help="random combinations")
    parser.add_argument("--texts", type=int, default=300, help="texts for each tokenizer")
    parser.add_argument("--only", default="", help="only tokenizers whose name holds this")
    parser.add_argument("--keep", help="write tokenizers with differences there")
    parser.add_argument("--program", default="swiftlet")
    parser.add_argument("--show", type=int, default=1, help="differences to show for each tokenizer")
    options = parser.parse_args()
    source = Texts(options.seed)
    training = source.texts(1500)
    precompiled()
    draw = random.Random(options.seed)
    totals = {}
    failed = 0
    for index, row in enumerate(cases(training, draw, options.random)):
        if options.only not in row[0]:
            continue
        texts = source.texts(options.texts)
        done = alone(lambda: one(row, index, training, texts, options))
        if done is None:
            print(f"{index} {row[0]} ({row[1]}): the library does not end, or takes all memory", flush=True)
            continue
        if isinstance(done, str):
            print(f"{index} {row[0]} ({row[1]}): the library refuses: {done[:100]}", flush=True)
            continue
        whole, count, wrong, shown = done
        kind = row[0].split()[0]
        total = totals.setdefault(kind, [0, 0, 0])
        total[0] += 1
        total[1] += count
        total[2] += wrong
        if wrong:
            failed += 1
            print(f"{index} {row[0]} ({row[1]}): {wrong} of {count} differ")
            for what, flag, given, want, found in shown[:options.show]:
                print(f"  {what} {flag} {given!r:.300}\n    wanted {want!r:.300}\n    found  {found!r:.300}", flush=True)
            if options.keep:
                path = f"{options.keep}/{index}"
                os.makedirs(path, exist_ok=True)
                with open(f"{path}/tokenizer.json", "w") as file:
                    json.dump(whole, file, ensure_ascii=False)
    print(f"{'components':<16}{'tokenizers':>11}{'answers':>10}{'different':>10}")
    for kind, (tokenizers, answers, wrong) in totals.items():
        print(f"{kind:<16}{tokenizers:>11}{answers:>10}{wrong:>10}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
