#!/usr/bin/env python3
"""Makes components.json and ranks/: small tokenizers of every component, and what the libraries make of odd texts.

Developer only; run with the packages pinned in Tests/requirements.txt, and tiktoken and mistral-common:

    python Tests/SwiftletTextTests/Fixtures/components/make_components.py

components.json is a list of {"name", "tokenizer", "texts", "ids", "plain", "lists", "decoded", "skipped"}: `ids` has
special tokens added and read, `plain` neither; `decoded` and `skipped` are `lists` decoded with and without special
tokens. `null` means that the library refuses. origins.json is a list of {"name", "tokenizer", "texts",
"tokens"}: every normalizer before pre-tokenizers that mark what begins at the first character of the input. ranks/vectors.json has the texts and ids of each vocabulary there.
"""

import base64
import json
import random
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2] / "Scripts"))

import tiktoken
from mistral_common.tokens.tokenizers.tekken import Tekkenizer
from tokenizers import AddedToken, Tokenizer, models

import tokenizer_equality as equality
import tokenizer_ranks as rank_lists
from tokenizer_texts import Texts

SEED = 7
STRIDE = 6  # every sixth tokenizer of the large comparison
TEXTS = 8


def component(index, row, source, training):
    draw = random.Random(f"{SEED} {index}")
    whole = equality.build(row, training, draw)
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    texts = [text for text in source.texts(3 * TEXTS) if len(text) < 160][:TEXTS]
    case = {"name": row[0], "tokenizer": whole, "texts": texts}
    for key, special in (("ids", True), ("plain", False)):
        tokenizer.encode_special_tokens = not special
        case[key] = [equality.attempt(lambda: tokenizer.encode(text, add_special_tokens=special).ids) for text in texts]
    bound = tokenizer.get_vocab_size()
    case["lists"] = [ids for ids in case["ids"] if ids] + [[draw.randrange(bound) for _ in range(6)] for _ in range(3)]
    keeps_bytes = "ByteFallback" in json.dumps(whole["decoder"])
    for key, skip in (("decoded", False), ("skipped", True)):
        texts = [equality.attempt(lambda: tokenizer.decode(ids, skip_special_tokens=skip)) for ids in case["lists"]]
        case[key] = [None if text is None or keeps_bytes and "\ufffd" in text else text for text in texts]
    return case


def write_origins():
    """Tokenizers whose tokens are characters, so that only the marks of the pre-tokenizer matter."""
    texts = ["a b", "  a b", "\u0001\u200b a b", "\ufb01 a", "\u00e9 b", "e\u0301\u0323 b", "\u4e2d a", "<x> a", "<x>a", "a<x> b", " <y>a",
             "<y> a", "a <y>b", "\u0130b a", "\u1100\u1161\u11a8 a", "\ufdfa a", "x", "xa e", " ", "\u0300a", "..a b", "E\u0301A"]
    letters = sorted(set("".join(texts)) | set("▁aefi\u0301\u0307")) + ["é", "ab", "Ġ"]
    vocabulary = {token: index for index, token in enumerate(["<unk>", "<x>", "<y>", *letters])}
    cases = []
    for index, normalizer in enumerate(equality.normalizers()):
        if normalizer and normalizer["type"] == "Precompiled":
            continue
        whole = json.loads(Tokenizer(models.BPE(vocabulary, [], unk_token="<unk>")).to_str())
        whole["normalizer"], whole["pre_tokenizer"] = normalizer, equality.first_marks(index, normalizer)
        tokenizer = Tokenizer.from_str(json.dumps(whole))
        tokenizer.add_tokens([AddedToken("<x>", normalized=False), AddedToken("<y>", normalized=True)])
        tokens = [equality.attempt(lambda: tokenizer.encode(text).tokens) for text in texts]
        cases.append({"name": json.dumps(normalizer), "tokenizer": json.loads(tokenizer.to_str()), "texts": texts, "tokens": tokens})
    (HERE / "origins.json").write_text(json.dumps(cases, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_ranks(source):
    folder = HERE / "ranks"
    tokens = rank_lists.ranks(source.texts(300), 400)
    vectors = {}
    for name in ("r50k_base", "cl100k_base", "o200k_base", "tekken"):
        (folder / name).mkdir(parents=True, exist_ok=True)
        texts = source.texts(40)
        if name == "tekken":
            vocab = [{"rank": rank, "token_bytes": base64.b64encode(token).decode(), "token_str": None}
                     for rank, token in enumerate(tokens)]
            config = {"pattern": rank_lists.TEKKEN, "num_vocab_tokens": len(vocab), "default_vocab_size": len(vocab) + 20,
                      "default_num_special_tokens": 30, "version": "v3"}
            (folder / name / "tekken.json").write_text(json.dumps({"config": config, "vocab": vocab}) + "\n")
            reference = Tekkenizer.from_file(str(folder / name / "tekken.json"))
            ids = [reference.encode(text, bos=False, eos=False) for text in texts]
        else:
            lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
            (folder / name / f"{name}.tiktoken").write_text("".join(lines))
            reference = tiktoken.Encoding(name, pat_str=rank_lists.pattern(name), special_tokens={},
                                          mergeable_ranks={token: rank for rank, token in enumerate(tokens)})
            ids = [reference.encode_ordinary(text) for text in texts]
        vectors[name] = {"texts": texts, "ids": ids}
    (folder / "vectors.json").write_text(json.dumps(vectors, separators=(",", ":")) + "\n")


def main():
    source = Texts(SEED)
    training = source.texts(400)
    equality.precompiled()
    equality.SIZES.update(small=True)
    cases = []
    for index, row in enumerate(equality.cases(training, random.Random(SEED), 40)):
        if row[0].startswith("origin"):
            continue
        if index % STRIDE and not row[0].startswith("decoder type:CTC") or "Precompiled" in json.dumps(row):
            continue  # its maps are large, and the fixtures in ../tokens have one
        try:
            cases.append(component(index, row, source, training))
        except Exception as error:
            print(f"{row[0]}: {error}")
    lines = [json.dumps(case, separators=(",", ":")) for case in cases]
    (HERE / "components.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")
    write_origins()
    write_ranks(source)
    print(len(cases), "tokenizers")


main()
