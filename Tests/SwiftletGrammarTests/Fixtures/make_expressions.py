"""Writes expressions.json: regular expressions and which texts Python's re matches as a whole.

Run: python3 make_expressions.py
"""
import itertools
import json
import random
import re

CHOSEN = [
    (r"a|b*", ""), (r"(?:ab|a)(?:c|bcd)", ""), (r"^abc$", ""), (r"^(?:a|b)$|^c$", ""), (r"a{2}b{1,}c{0,2}", ""),
    (r"[a-c]+?", ""), (r"(?P<name>a)b", ""), (r"[^a-c]", ""), (r"\d+\.\d{2}", "12.34 1.2 .33 007.00"), (r"\w+@\w+", "a@b _1@2 a@ é@b"),
    (r"[\d\-x]+", "1-x 2 - y"), (r"\s\S", " a  ab \ta"), (r".", "a \n ab é 😀"), (r"é+|😀{2}", "é éé 😀 😀😀"),
    (r"\x41\u0042", "AB ab"), (r"\.\*\[\]\(\)\{\}\|\^\$\\\/", r".*[](){}|^$\/ a"), (r"[\]\\^-]+", r"]\^- a"), (r"(a*)*b", ""), (r"(a|a)*", ""),
    (r"", ""), (r"()", ""), (r"a||b", ""), (r"(|a)b", ""), (r"[a-z0-9_.+-]+@[a-z0-9-]+\.[a-z.]{2,6}", "joe@example.org joe@ex joe@example.organisation"),
    (r"\t\n\r\f\v\0", "\t\n\r\f\v\0"), (r"x{a}", "x{a} x"), (r"[+--]", "+ , - ."), (r"(?:a{2,3}){2}", "aaaa aaaaaa aaa"),
]


def draw(depth):
    choice = random.randrange(9 if depth > 0 else 3)
    if choice == 0: return "a"
    if choice == 1: return "b"
    if choice == 2: return random.choice(["[ab]", "[^a]", ".", "c"])
    if choice in (3, 4): return "".join(draw(depth - 1) for _ in range(random.randrange(1, 4)))
    if choice in (5, 6): return "(?:" + "|".join(draw(depth - 1) for _ in range(random.randrange(1, 4))) + ")"
    return "(" + draw(depth - 1) + ")" + random.choice(["*", "+", "?", "{2}", "{1,2}", "{2,}", "{0,3}", "*?"])


def main():
    random.seed(11)
    short = ["".join(t) for n in range(5) for t in itertools.product("abc", repeat=n)]
    cases = []
    for pattern, extra in CHOSEN + [(draw(3), "") for _ in range(60)]:
        compiled = re.compile(pattern, re.ASCII)
        texts = (extra.split(" ") + [extra] if extra else []) + (short if not extra else ["", "a"])
        if "é" in pattern or "\\x" in pattern: compiled = re.compile(pattern)
        matching = [t for t in dict.fromkeys(texts) if compiled.fullmatch(t)]
        others = [t for t in dict.fromkeys(texts) if not compiled.fullmatch(t)]
        cases.append({"pattern": pattern, "matches": matching, "others": others[:60]})
    with open("expressions.json", "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
    print(len(cases))


main()
