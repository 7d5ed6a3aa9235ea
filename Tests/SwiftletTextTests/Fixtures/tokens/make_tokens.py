#!/usr/bin/env python3
"""Makes the tokenizer fixtures of this directory: tiny vocabularies, and what the libraries make of odd texts.

Developer only; run with the packages pinned in Tests/requirements.txt:

    python Tests/SwiftletTextTests/Fixtures/tokens/make_tokens.py

texts.json lists the texts. Each case is a directory with tokenizer.json (or tokenizer.model), optionally
tokenizer_config.json, and vectors.json: for each text {"ids", "plain", "decoded", "skipped"}, where `ids` has
special tokens added and special tokens in the text read as such, `plain` neither (left out if it is the same), and
`decoded` and `skipped` are `ids` decoded with and without special tokens (left out if that is the text again).
`null` means that the library refuses.
"""

import io
import json
import random
import shutil
import tempfile
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from tokenizers import trainers

HERE = Path(__file__).parent

CORPUS = """
The harbour lay quiet under a thin sheet of fog, and the boats knocked softly against the quay.
She counted the lanterns: one, two, three, four; the fifth had gone out sometime after midnight.
"Where are you going?" he asked. "Nowhere," she said, "and I don't think I'll be back before 10:45."
They've walked 27 miles in 3 days, that's 9 miles a day, which isn't bad for beginners.
def area(radius): return 3.14159 * radius ** 2  # the area of a circle
for (int i = 0; i < 128; i++) { total += values[i]; if (total > limit) break; }
Le garçon mange une pomme très mûre à côté de l'église; c'est déjà l'été.
Über den Flüssen hängt früh der Nebel, und die Mühle läuft noch.
Вечером над рекой зажигаются огни, и лодки возвращаются домой.
東京の空は今日も青い。猫は窓の外を見ている。 我们明天去看海。
Το καράβι έφυγε νωρίς το πρωί. سافر القارب في الصباح. הסירה יצאה לים.
नदी के किनारे एक छोटा गाँव है। 바다는 조용하고 배는 천천히 움직인다.
The painter mixed blue and yellow until the green was right, then painted the door, the gate and the fence.
Read the reading list, then re-read the readings; readers who read enjoy readable reads.
email: someone@example.org, see https://example.org/path?query=1&other=two#part for more...
""".strip().split("\n")

TEXTS = [
    "", " ", "  ", "\n", "\t\n \n", "a", " a", "a ", "  a  b  ", "Hello world", "Hello, world! How's it going?",
    " leading", "trailing ", "don't can't we'll I'M YOU'RE they'D", "12345 1 22 333 4444 3.14 1,000",
    "The harbour lay quiet under a thin sheet of fog.", "readings reader unreadable", "ÄÖÜ äöü ß ẞ",
    "Cafe\u0301 café ñ n\u0303", "ﬁne ﬀ ½ ² Ⅷ ① ｆｕｌｌ ㌔", "İstanbul ıI", "東京の空は青い。", "我们去看海！", "한국어 배 한글",
    "Вечером над рекой", "سافر القارب", "नदी के किनारे", "Το καράβι", "🚀 😶‍🌫️ 👩‍👩‍👧‍👦 🇩🇪", "x🚀y",
    "tabs\tand\nnew\r\nlines\r", "\u00a0nbsp\u2003em\u3000wide\u200bzero", "\x00\x01\x7f", "\ufeffbom",
    "▁under▁score ▁ ▁▁", "Ġ Ċ ĠĊ", "<0x41><0x0A> <0x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "abcdefghijklmnopqrstuvwxyz" * 5, "!!!???...,,,;;;---___===", "for (int i = 0; i < 10; i++) {\n    total += i;\n}\n",
    "<s>begin</s>", "a <s> b", "<unk> [UNK]", "<|end|>", "x<|end|>y", "x <|end|> y", "<|end|><|end|>",
    "[MASK] is [MASK]", "say [LEFT] here", "say \t[LEFT]x", "say [RIGHT]  here", "x[BOTH]y", "x  [BOTH] \n y",
    "word wording sword word, word", "WORD Word", "fold FOLD Fold", "[CLS] a [SEP]", "<|end|", "<|end|>>", "lonesome lone",
    "a\u0300\u0301b", "e\u0301\u0301", "q\u0323\u0307", "ǆ Ǆ ŉ", "\u1e9b\u0323", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "naïve résumé",
]


def specials(*extra):
    return [AddedToken(t, special=True, normalized=False) for t in ("<s>", "</s>", "<unk>", *extra)]


def add_flagged(tokenizer):
    """Adds a token for each flag, and some that only differ in one."""
    tokenizer.add_special_tokens([AddedToken("<|end|>", special=True, normalized=False)])
    tokenizer.add_tokens([
        AddedToken("[MASK]", lstrip=True, special=True, normalized=False),
        AddedToken("[LEFT]", lstrip=True, normalized=False),
        AddedToken("[RIGHT]", rstrip=True, normalized=False),
        AddedToken("[BOTH]", lstrip=True, rstrip=True, normalized=False),
        AddedToken("word", single_word=True, normalized=False),
        AddedToken("Fold", normalized=True),
        AddedToken("lone", single_word=True, normalized=True),
        AddedToken("lonesome", normalized=False),
    ])


def train_bpe(vocab_size, alphabet, pre, normalizer=None, special=(), **model):
    tokenizer = Tokenizer(models.BPE(**model))
    tokenizer.pre_tokenizer = pre
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    keep = {k: v for k, v in model.items() if k in ("continuing_subword_prefix", "end_of_word_suffix")}
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, initial_alphabet=alphabet, special_tokens=list(special), show_progress=False, **keep)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def byte_level(add_prefix_space=False, use_regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space, use_regex=use_regex)


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
          r"|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def split(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(use_regex=False)])


def gpt2():
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    t = train_bpe(420, alphabet, byte_level(), special=["<|endoftext|>"])
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.decoder = decoders.ByteLevel()
    add_flagged(t)
    return t


def roberta():
    t = train_bpe(380, pre_tokenizers.ByteLevel.alphabet(), byte_level(True), special=["<s>", "</s>", "<unk>"])
    t.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))
    t.decoder = decoders.ByteLevel()
    return t


def llama3():
    t = train_bpe(440, pre_tokenizers.ByteLevel.alphabet(), split(LLAMA3), ignore_merges=True)
    t.decoder = decoders.ByteLevel()
    t.add_special_tokens(specials("<|end|>", "<|begin|>"))
    bos = t.token_to_id("<|begin|>")
    t.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=True),
        processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", bos)])])
    # A word that no merge makes: only ignore_merges finds it.
    state = json.loads(t.to_str())
    last = max(state["model"]["vocab"].values())
    for name, i in list(state["model"]["vocab"].items()):
        if i == last:
            del state["model"]["vocab"][name]
            state["model"]["merges"] = [m for m in state["model"]["merges"] if "".join(m) != name]
    state["model"]["vocab"]["Ġlantern"] = last
    return Tokenizer.from_str(json.dumps(state))


def qwen2():
    t = train_bpe(400, pre_tokenizers.ByteLevel.alphabet(), split(QWEN2), normalizer=normalizers.NFC())
    t.decoder = decoders.ByteLevel()
    add_flagged(t)
    return t


def with_byte_tokens(tokenizer, **settings):
    """Puts byte tokens behind the special ones, as vocabularies converted from SentencePiece have them."""
    state = json.loads(tokenizer.to_str())
    old = sorted(state["model"]["vocab"].items(), key=lambda item: item[1])
    names = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
    names += [name for name, _ in old if name not in names]
    state["model"]["vocab"] = {name: i for i, name in enumerate(names)}
    state["model"].update(unk_token="<unk>", fuse_unk=True, byte_fallback=True, **settings)
    return Tokenizer.from_str(json.dumps(state))


def llama2(kind):
    replace = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t = train_bpe(320, [], pre_tokenizers.Metaspace(), special=["<unk>", "<s>", "</s>"])
    t = with_byte_tokens(t)
    if kind == "prepend":
        t.normalizer, t.pre_tokenizer = replace, None
        t.decoder = decoders.Sequence([
            decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    else:
        scheme = {"first": "first", "always": "always", "never": "never"}[kind]
        t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=kind == "always")
        t.decoder = decoders.Sequence([
            decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
            + ([decoders.Strip(" ", 1, 0)] if kind != "never" else []))
    t.add_special_tokens(specials("<|end|>"))
    t.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return t


def classic_bpe():
    """Word-end suffix, unknown characters, two of which do not fuse."""
    t = train_bpe(
        260, [], pre_tokenizers.Whitespace(), normalizers.Lowercase(), ["<unk>"], unk_token="<unk>",
        end_of_word_suffix="</w>")
    t.decoder = decoders.BPEDecoder("</w>")
    return t


def prefix_bpe():
    t = train_bpe(
        280, [], pre_tokenizers.BertPreTokenizer(), normalizers.NFKC(), ["<unk>"], unk_token="<unk>", fuse_unk=True,
        continuing_subword_prefix="##")
    t.decoder = decoders.WordPiece("##", cleanup=False)
    return t


def bert():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=40))
    t.normalizer = normalizers.BertNormalizer(lowercase=True)
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    t.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=360, special_tokens=names, show_progress=False))
    t.decoder = decoders.WordPiece()
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    t.add_tokens([AddedToken("Fold", normalized=True), AddedToken("lone", single_word=True, normalized=True)])
    return t


def word_level():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Whitespace()
    t.train_from_iterator(
        CORPUS, trainers.WordLevelTrainer(vocab_size=80, special_tokens=["<unk>"], show_progress=False))
    return t


RULES = """
2126	41
FF10	30
FF11	31
FF12	32
FB01	66 69
FB00	66 66
B2	32
BD	31 20 31 2F 32 20
9	20
A	20
D	20
D A	20
A0	20
3000	20
2003	20
200B	
7F	
FEFF	
43 61 66	6B 61 66
65 301	E9
61 300 301	E1
C4	E4
D6	F6
"""


def rules_file():
    """A small character map, as the one that SentencePiece comes with has 240 kB."""
    path = Path(tempfile.gettempdir()) / "rules.tsv"
    path.write_text(RULES.lstrip())
    return str(path)


def charsmap():
    """The character map of the rules above, as SentencePiece compiles them."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS), model_writer=out, vocab_size=200, model_type="unigram",
        normalization_rule_tsv=rules_file(), hard_vocab_limit=False, minloglevel=2)
    return field(field(out.getvalue(), 3), 2)


def field(message, wanted):
    """The bytes of a field of a protocol buffer message."""
    def number(i):
        value = shift = 0
        while True:
            value |= (message[i] & 127) << shift
            shift += 7
            i += 1
            if message[i - 1] < 128:
                return value, i
    i = 0
    while i < len(message):
        tag, i = number(i)
        if tag & 7 == 0:
            _, i = number(i)
        elif tag & 7 == 5:
            i += 4
        else:
            size, i = number(i)
            if tag >> 3 == wanted:
                return message[i:i + size]
            i += size
    raise KeyError(wanted)


def unigram(byte_fallback):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    t.train_from_iterator(
        CORPUS, trainers.UnigramTrainer(
            vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False))
    t.decoder = decoders.Metaspace()
    if byte_fallback:
        state = json.loads(t.to_str())
        low = min(score for _, score in state["model"]["vocab"]) - 1
        state["model"]["vocab"] += [[f"<0x{b:02X}>", low] for b in range(256)]
        state["model"]["byte_fallback"] = True
        t = Tokenizer.from_str(json.dumps(state))
        t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    t.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", t.token_to_id("</s>"))])
    add_flagged(t)
    return t


def precompiled():
    t = unigram(False)
    t.normalizer = normalizers.Precompiled(charsmap())
    return t


def sentencepiece_case(name, **options):
    out = io.BytesIO()
    settings = dict(
        vocab_size=330, hard_vocab_limit=False, minloglevel=2, user_defined_symbols=["<|end|>", "word"],
        control_symbols=["<ctl>"], character_coverage=0.98)
    settings.update(options)
    sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(CORPUS), model_writer=out, **settings)
    folder = fresh(name)
    (folder / "tokenizer.model").write_bytes(out.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
    vectors = []
    for text in TEXTS + random_texts():
        ids = processor.encode(text)
        vectors.append(shortened(text, {"plain": ids, "decoded": processor.decode(ids)}))
    write(folder / "vectors.json", vectors)


def random_texts():
    random_ = random.Random(20)
    pieces = " ".join(CORPUS).split(" ") + ["  ", "\n", "<s>", "<|end|>", "[MASK]", "word", "é", "🚀", "１", "'s"]
    return ["".join(random_.choice(pieces) + random_.choice(["", " ", " "]) for _ in range(random_.randint(1, 12)))
            for _ in range(24)]


def shortened(text, vector):
    """Leaves out what is the same as something else."""
    for key in ("decoded", "skipped"):
        if vector.get(key) == text:
            del vector[key]
    if "ids" in vector and vector["plain"] == vector["ids"]:
        del vector["plain"]
    return vector


def fresh(name):
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def write(path, value):
    lines = [json.dumps(item, ensure_ascii=True, separators=(",", ":")) for item in value]
    path.write_text("[\n" + ",\n".join(lines) + "\n]\n")


def attempt(function):
    try:
        return function()
    except BaseException as error:  # the library panics where it should refuse
        if isinstance(error, KeyboardInterrupt):
            raise
        return None


def json_case(name, tokenizer, configuration=None):
    folder = fresh(name)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=False))
    if configuration is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(configuration, indent=1) + "\n")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vectors = []
    for text in TEXTS + random_texts():
        tokenizer.encode_special_tokens = False
        ids = attempt(lambda: tokenizer.encode(text).ids)
        tokenizer.encode_special_tokens = True
        plain = attempt(lambda: tokenizer.encode(text, add_special_tokens=False).ids)
        vectors.append(shortened(text, {
            "ids": ids, "plain": plain,
            "decoded": attempt(lambda: tokenizer.decode(ids, skip_special_tokens=False)),
            "skipped": attempt(lambda: tokenizer.decode(ids, skip_special_tokens=True))}))
    write(folder / "vectors.json", vectors)


def main():
    write(HERE / "texts.json", TEXTS + random_texts())
    json_case("gpt2", gpt2(), {"bos_token": "<|endoftext|>", "eos_token": {"content": "<|endoftext|>"}})
    json_case("roberta", roberta())
    json_case("llama3", llama3(), {"bos_token": "<|begin|>", "eos_token": "<|end|>", "chat_template": "{{ bos_token }}"})
    json_case("qwen2", qwen2())
    for kind in ("prepend", "first", "always", "never"):
        json_case(f"llama2-{kind}", llama2(kind))
    json_case("classic-bpe", classic_bpe())
    json_case("prefix-bpe", prefix_bpe())
    json_case("bert", bert())
    json_case("word-level", word_level())
    json_case("unigram", unigram(False))
    json_case("unigram-bytes", unigram(True))
    json_case("precompiled", precompiled())
    sentencepiece_case("spm-bpe", model_type="bpe", byte_fallback=True, normalization_rule_name="identity",
                       remove_extra_whitespaces=False, vocab_size=560)
    sentencepiece_case("spm-bpe-rules", model_type="bpe", normalization_rule_tsv=rules_file())
    sentencepiece_case("spm-unigram", model_type="unigram", normalization_rule_tsv=rules_file())
    sentencepiece_case("spm-unigram-bytes", model_type="unigram", byte_fallback=True, vocab_size=560,
                       normalization_rule_tsv=rules_file(), add_dummy_prefix=False)
    sentencepiece_case("spm-suffix", model_type="unigram", treat_whitespace_as_suffix=True,
                       normalization_rule_name="identity")


main()
