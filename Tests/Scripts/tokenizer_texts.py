"""Seeded texts that are hard on tokenizers, for tokenizer_equality.py and tokenizer_gguf.py."""

import random
import unicodedata

SAMPLES = """
The harbour lay quiet under a thin sheet of fog, and the boats knocked softly against the quay.
I'VE said it: you'll see, we're they'd don't CAN'T it's 'tis o'clock rock'n'roll she'D We'Ll ſ'ſ
def add(a, b):\n    \"\"\"Adds.\"\"\"\n\treturn a + b  # ok\n\n\n    if x != y: print(f"{x:>10}")\r\n
https://example.org/a/b?c=d&e=%20f#g user@host.example 127.0.0.1 ::1 C:\\temp\\x.txt ~/notes.md
1234567890 12,345.678 1e-9 0xDEADBEEF ½ ² Ⅷ ٣٤٥ १२३ 一二三 ๑๒๓ 𝟙𝟚 ①② 1st 2nd 3.14.15 1000000
Der Fluß fließt; Ölgemälde Straße ÄÖÜ äöü ẞ. Ça coûte œuvre naïve façade garçon l'été aujourd'hui
Zażółć gęślą jaźń. Příliš žluťoučký kůň. Árvíztűrő tükörfúrógép. Iğdır ışık İstanbul
Съешь же ещё этих мягких французских булок. Ї ґ є ў Ѣ ѳ. Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία ς Σ
العربية نصٌّ مُشَكَّل لا إله ﷺ ۱۲۳ اُردُو پنجابی. עִבְרִית שָׁלוֹם "צה״ל" ייִדיש. ܣܘܪܝܝܐ ދިވެހި ߒߞߏ
हिन्दी में लिखा क्षत्रिय ज़रूर। বাংলা ভাষা ক্ষ। தமிழ் மொழி ஸ்ரீ తెలుగు ಕನ್ನಡ മലയാളം සිංහල ગુજરાતી ਪੰਜਾਬੀ ଓଡ଼ିଆ
ภาษาไทยไม่มีช่องว่าง ກາສາລາວ မြန်မာဘာသာ ភាសាខ្មែរ བོད་ཡིག་ ᠮᠣᠩᠭᠣᠯ አማርኛ ᏣᎳᎩ ᐃᓄᒃᑎᑐᑦ ქართული Հայերեն
今日は良い天気ですね。カタカナとﾊﾝｶｸ、ｶﾞｷﾞ。我们在这里，「引用」！繁體中文；㍿㌔ ㈱ 豈更 𠮷野家 한국어 조합 한글 ᄒᆞᆫ글 ㅋㅋㅋ
Tiếng Việt có dấu: ướt đẫm. Yorùbá ọ̀rọ̀ Èdè. Hausa ɗ ƙ. ⴰⵎⴰⵣⵉⵖ 𐐔𐐯𐑅 𓀀𓂀 𒀀𒁀 𝒜𝓑 ﬁ ﬂ ﬃ Ǆ ǅ ǆ ŉ ĳ
""".strip("\n").split("\n")

EMOJI = [
    "😀", "👍🏽", "👩‍👩‍👧‍👦", "👩🏾‍🚀", "🏳️‍🌈", "🏴󠁧󠁢󠁳󠁣󠁴󠁿", "🇩🇪", "🇯🇵🇺", "1️⃣", "#️⃣", "❤️", "❤", "☺︎", "🧑‍🤝‍🧑", "🫱🏻‍🫲🏿", "🀄",
    "©️", "™", "🏴‍☠️", "👁️‍🗨️", "\u200d👩", "🏽", "\ufe0f", "🇦", "➿〰️㊗️", "🙂‍↔️",
]
MARKS = "\u0300\u0301\u0302\u0303\u0308\u030a\u0327\u0328\u0331\u0345\u034f\u035c\u0361\u0483\u0591\u064b\u0651\u093c\u094d" \
    "\u0e48\u0f71\u1ab0\u1dc4\u20d0\u20e3\u302a\u3099\ufe20\U0001d165\U0001e8d0\u05bf\u0670\u0c4d\u3164\u115f"
CONTROLS = "\0\x01\x07\x08\x0b\x0c\x0e\x1b\x1c\x1d\x1e\x1f\x7f\x80\x85\x90\x9f\xad\u061c\u180e\u200b\u200c\u200d\u200e\u202a\u202e" \
    "\u2060\u2066\ufeff\ufff9\ufffd\ufffe\uffff\U0001fffe\U000e0001\U000e0041\U0010ffff\ue000\U000f0000\u2028\u2029"
SPACES = " \t\n\r\x0b\x0c\x85\xa0\u1680\u2000\u2003\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
PUNCTUATION = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~¡§«»·¿‐–—―‘’“”…‰′″※⁇₠€₿←→∀∑√∞≈⌘■●☀♥♯⚠✓✗❤⟨⟩⦅、。〈〉《》「」【】・！？（）＂＇｀￥"
MARKUP = ["<s>", "</s>", "<unk>", "<|endoftext|>", "[CLS]", "[SEP]", "[MASK]", "[UNK]", "<pad>", "<mask>", "<0x41>", "<0xE2>", "▁", "▁▁", "Ġ",
          "##", "##s", "</w>", "<extra>", "word", "Word", " added", "ADDED", "né", "ne\u0301", "<a b>", "x1", "|", "Ċ"]


def assigned(limit=0x110000):
    """All assigned code points but surrogates, by general category."""
    kinds = {}
    for value in range(limit):
        kind = unicodedata.category(chr(value))
        if kind not in ("Cs", "Cn", "Co"):
            kinds.setdefault(kind, []).append(chr(value))
    return kinds


class Texts:
    """A source of seeded texts."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.kinds = assigned()
        self.names = sorted(self.kinds)
        self.words = [word for line in SAMPLES for word in line.split(" ")]

    def run(self, characters, low=1, high=6):
        return "".join(self.random.choice(characters) for _ in range(self.random.randint(low, high)))

    def block(self):
        """A few neighbours from anywhere in Unicode, assigned or not."""
        start = self.random.choice((self.random.randrange(0x80, 0x3000), self.random.randrange(0x80, 0x20000),
                                    self.random.randrange(0x80, 0x10ff00)))
        values = [start + self.random.randrange(64) for _ in range(self.random.randint(1, 8))]
        return "".join(chr(v) for v in values if not 0xd800 <= v < 0xe000)

    def part(self):
        r = self.random
        match r.randrange(22):
            case 0 | 1 | 2 | 3: return r.choice(self.words)
            case 4: return r.choice(SAMPLES)
            case 5: return " "
            case 6: return r.choice((" ", "\n", "\t", "\r\n", "\u3000", "  \n", "\r")) * r.choice((1, 2, 3, 5, 17, 60))
            case 7: return self.run(SPACES)
            case 8: return "".join(r.choice(EMOJI) for _ in range(r.randint(1, 4)))
            case 9: return r.choice(self.words)[:2] + self.run(MARKS, 1, 12)
            case 10: return self.run(CONTROLS, 1, 3)
            case 11: return self.run(PUNCTUATION)
            case 12 | 13: return r.choice(MARKUP)
            case 14: return "".join(r.choice(self.kinds[r.choice(self.names)]) for _ in range(r.randint(1, 6)))
            case 15: return self.run(self.kinds[r.choice(self.names)])
            case 16: return self.run(self.kinds["Nd"] if r.random() < 0.3 else "0123456789", 1, 12)
            case 17: return r.choice(self.words).swapcase() + r.choice(("'s", "'T", "’s", "'re", "'LL", "'ſ", "'"))
            case 18: return r.choice("aA-_=. x한é\u0301") * r.choice((2, 3, 9, 40))
            case 19: return "".join(w.capitalize() for w in (r.choice(self.words), r.choice(self.words)))
            case 20: return self.block()
            case _: return unicodedata.normalize(r.choice(("NFC", "NFD", "NFKC", "NFKD")), r.choice(self.words))

    def text(self):
        """One text of up to a few hundred characters."""
        joint = self.random.choice(("", "", " ", " ", "\n"))
        return joint.join(self.part() for _ in range(self.random.choice((0, 1, 1, 2, 3, 5, 8, 13))))

    def texts(self, count):
        return [self.text() for _ in range(count)]

    def damaged(self, text):
        """The UTF-8 of a text with bytes changed, dropped or put in."""
        data = bytearray(text.encode())
        for _ in range(self.random.randint(1, 4)):
            place = self.random.randrange(len(data) + 1)
            match self.random.randrange(4):
                case 0: data[place:place + 1] = bytes([self.random.randrange(256)])
                case 1: del data[place:place + self.random.randint(1, 2)]
                case 2: data[place:place] = self.random.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"))
                case _: data = data[:place] if place else data
        return bytes(data)
