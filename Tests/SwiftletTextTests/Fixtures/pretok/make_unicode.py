#!/usr/bin/env python3
"""Writes Sources/SwiftletText/UnicodeData.swift and UnicodeDecompositions.swift.

General categories are asked from the regular-expression engine inside `tokenizers` (Unicode 16.0 at 0.23), so
that a class such as \\p{L} means exactly what it means there. Scripts come from the `regex` module, limited to the
characters that are assigned in those categories; decompositions and combining classes from `unicodedata`, whose
values never change for a character once it is assigned, limited to those that the library has.

Needs: pip install tokenizers regex
"""
import sys
import unicodedata
from pathlib import Path

import regex
from tokenizers import Regex, normalizers, pre_tokenizers

ROOT = Path(__file__).resolve().parents[4]
CATEGORIES = (
    "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Cs Co Cn".split()
)
SCRIPTS = """
Adlam Ahom Anatolian_Hieroglyphs Arabic Armenian Avestan Balinese Bamum Bassa_Vah Batak Bengali Bhaiksuki Bopomofo
Brahmi Braille Buginese Buhid Canadian_Aboriginal Carian Caucasian_Albanian Chakma Cham Cherokee Chorasmian Common
Coptic Cuneiform Cypriot Cypro_Minoan Cyrillic Deseret Devanagari Dives_Akuru Dogra Duployan Egyptian_Hieroglyphs
Elbasan Elymaic Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gunjala_Gondi Gurmukhi Han Hangul
Hanifi_Rohingya Hanunoo Hatran Hebrew Hiragana Imperial_Aramaic Inherited Inscriptional_Pahlavi
Inscriptional_Parthian Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khitan_Small_Script Khmer Khojki
Khudawadi Lao Latin Lepcha Limbu Linear_A Linear_B Lisu Lycian Lydian Mahajani Makasar Malayalam Mandaic Manichaean
Marchen Masaram_Gondi Medefaidrin Meetei_Mayek Mende_Kikakui Meroitic_Cursive Meroitic_Hieroglyphs Miao Modi
Mongolian Mro Multani Myanmar Nabataean Nandinagari New_Tai_Lue Newa Nko Nushu Nyiakeng_Puachue_Hmong Ogham Ol_Chiki
Old_Hungarian Old_Italic Old_North_Arabian Old_Permic Old_Persian Old_Sogdian Old_South_Arabian Old_Turkic
Old_Uyghur Oriya Osage Osmanya Pahawh_Hmong Palmyrene Pau_Cin_Hau Phags_Pa Phoenician Psalter_Pahlavi Rejang Runic
Samaritan Saurashtra Sharada Shavian Siddham SignWriting Sinhala Sogdian Sora_Sompeng Soyombo Sundanese Syloti_Nagri
Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet Takri Tamil Tangsa Tangut Telugu Thaana Thai Tibetan Tifinagh
Tirhuta Toto Ugaritic Vai Vithkuqi Wancho Warang_Citi Yezidi Yi Zanabazar_Square
""".split()


def members(pattern):
    """Code points that `pattern` matches in the engine of `tokenizers`."""
    split = pre_tokenizers.Split(Regex(pattern), "removed", invert=True)
    found = set()
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for k in range(0, len(points), 4096):
        text = "".join(map(chr, points[k : k + 4096]))
        for piece, _ in split.pre_tokenize_str(text):
            found.update(map(ord, piece))
    return found


EMOJI = ("Emoji", "Emoji_Presentation", "Emoji_Modifier", "Emoji_Modifier_Base", "Emoji_Component", "Extended_Pictographic")


def runs(values):
    """Run lengths of a list."""
    out = []
    for value in values:
        if out and out[-1][0] == value:
            out[-1][1] += 1
        else:
            out.append([value, 1])
    return out


def wrap(text, columns=100):
    """Lines of a Swift string literal whose line breaks are escaped."""
    return " \\\n".join("        " + text[i : i + columns - 2] for i in range(0, len(text), columns - 2)).replace(
        " \\\n", "\\\n"
    )


def literal(name, doc, text):
    return f'    /// {doc}\n    static let {name}: StaticString = """\n{wrap(text)}\n        """\n'


def number(value):
    """Base 32 with the digits a…z0…5 for all but the last, which is A…Z6789+-."""
    low = "abcdefghijklmnopqrstuvwxyz012345"
    high = "ABCDEFGHIJKLMNOPQRSTUVWXYZ6789+-"
    out = high[value % 32]
    value //= 32
    while value:
        out = low[value % 32] + out
        value //= 32
    return out


def differences(category):
    """Where the classes of the BERT steps of `tokenizers`, frozen at older versions of Unicode, differ."""
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    ascii_punctuation = {c for c in range(0x21, 0x7F) if not chr(c).isalnum()}
    kept = set()
    for k in range(0, len(points), 4096):
        for piece, _ in pre_tokenizers.Punctuation("removed").pre_tokenize_str("".join(map(chr, points[k : k + 4096]))):
            kept.update(map(ord, piece))
    clean = normalizers.BertNormalizer(True, False, False, False)
    strip = normalizers.BertNormalizer(False, False, True, False)
    accents = normalizers.StripAccents()

    def having(*names):
        return {c for c in points if any(CATEGORIES[category[c]].startswith(n) for n in names)}

    return {
        "punctuation": (set(points) - kept) ^ (having("P") | ascii_punctuation),
        "controls": {c for c in points if clean.normalize_str(f"a{chr(c)}b") == "ab"}
        ^ ((having("Cc", "Cf", "Co") | {0, 0xFFFD}) - {9, 10, 13}),
        "nonspacingMarks": {c for c in points if strip.normalize_str(chr(c)) == ""} ^ having("Mn"),
        "combiningMarks": {c for c in points if accents.normalize_str(chr(c)) == ""} ^ having("M"),
    }


def unscripted(script):
    """Characters whose script the `UnicodeScripts` step, frozen at an older version of Unicode, does not know."""
    step = pre_tokenizers.UnicodeScripts()
    return {c for c, value in enumerate(script) if value and not step.pre_tokenize_str(chr(c))}


def combining_class(c):
    """The combining class of a character, 0 if the normalisers of the library do not move it."""
    value = unicodedata.combining(chr(c))
    if not value:
        return 0
    other = "\u0315" if value < 232 else "\u0334"  # of the classes 232 and 1
    pair = other + chr(c) if value < 232 else chr(c) + other
    return value if normalizers.NFD().normalize_str("a" + pair) != "a" + pair else 0


def main():
    category = [29] * 0x110000
    for c in range(0xD800, 0xE000):
        category[c] = CATEGORIES.index("Cs")
    for index, name in enumerate(CATEGORIES):
        if name in ("Cs", "Cn"):
            continue
        for c in members(r"\p{%s}" % name):
            category[c] = index
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcd"
    categories = "".join(letters[c] + (str(n) if n > 1 else "") for c, n in runs(category))

    points = [c for c in range(0x110000) if category[c] not in (27, 28, 29)]
    text = "".join(map(chr, points))
    script = [0] * 0x110000
    for index, name in enumerate(SCRIPTS):
        for match in regex.finditer(r"\p{Script=%s}+" % name, text):
            for k in range(*match.span()):
                script[points[k]] = index + 1
    scripts = "".join(number(s) + number(n) for s, n in runs(script))

    combining = [combining_class(c) if not 0xD800 <= c < 0xE000 else 0 for c in range(0x110000)]
    classes = "".join(number(s) + number(n) for s, n in runs(combining))

    packed = {}
    lacking = {"unscripted": unscripted(script)}
    for name, points in (differences(category) | lacking).items():
        flags = runs([c in points for c in range(max(points) + 1)])
        packed[name + "Changes" * (name != "unscripted")] = "".join(number(n) for _, n in flags)
    for name in ("Alphabetic", "Uppercase", "Lowercase", *EMOJI):
        points = members(r"\p{%s}" % name)
        packed[name[0].lower() + name[1:].replace("_", "")] = "".join(number(n) for _, n in runs([c in points for c in range(max(points) + 1)]))

    decompose = normalizers.NFKD()
    canonical, compatible, excluded, previous = "", "", "", [0, 0, 0]
    for c in range(0x110000):
        fields = unicodedata.decomposition(chr(c)).split()
        if not fields or decompose.normalize_str(chr(c)) == chr(c):
            continue
        kind = 1 if fields[0].startswith("<") else 0
        values = [int(f, 16) for f in fields[kind:]]
        entry = number(c - previous[kind]) + number(len(values)) + "".join(map(number, values))
        previous[kind] = c
        if kind:
            compatible += entry
        else:
            canonical += entry
            if len(values) == 2 and unicodedata.normalize("NFC", chr(c)) != chr(c):
                excluded += number(c - previous[2])
                previous[2] = c

    head = "// Generated by Tests/SwiftletTextTests/Fixtures/pretok/make_unicode.py; do not edit.\n\n"
    names = " ".join(SCRIPTS)
    (ROOT / "Sources/SwiftletText/UnicodeData.swift").write_text(
        head
        + "/// Character properties of Unicode 16.0 as run-length text, read by ``UnicodeClasses``.\n"
        + "enum UnicodeData {\n"
        + literal("categories", "General categories from U+0000 on: a letter for the category, then the run length.",
                  categories)
        + "\n"
        + literal("scriptNames", "Names of the scripts; the number of a script is its place here, from one.", names)
        + "\n"
        + literal("scripts", "Pairs of script number (zero: none) and run length, from U+0000 on.", scripts)
        + "".join(
            "\n" + literal(name, "Lengths of runs, outside and inside in turn: " + (
                f"where the BERT steps of `tokenizers` see {name[:-7]} otherwise."
                if name.endswith("Changes") else "characters that the step UnicodeScripts sees without a script."
                if name == "unscripted" else f"the property {name[0].upper() + name[1:]}."), text)
            for name, text in packed.items()
        )
        + "}\n"
    )
    (ROOT / "Sources/SwiftletText/UnicodeDecompositions.swift").write_text(
        head
        + f"/// Decompositions and combining classes of Unicode {unicodedata.unidata_version}, read by"
        + " ``UnicodeNormalization``.\n"
        + "enum UnicodeDecompositions {\n"
        + literal("combiningClasses", "Pairs of canonical combining class and run length, from U+0000 on.", classes)
        + "\n"
        + literal("canonical", "Distance to the next character, how many values, the values.", canonical)
        + "\n"
        + literal("compatible", "The same for compatibility decompositions.", compatible)
        + "\n"
        + literal("excluded", "Distances between characters that are never composed.", excluded)
        + "}\n"
    )
    print(len(categories), len(names), len(scripts), len(classes), len(canonical), len(compatible), len(excluded))


if __name__ == "__main__":
    sys.exit(main())
