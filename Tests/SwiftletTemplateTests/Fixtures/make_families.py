#!/usr/bin/env python3
"""Writes families.json: conversations, and what Python's jinja2 makes of them with the templates in Families.

The templates are written for these tests, with the constructs that the template families of models use. With paths of
other templates as arguments, writes a file of the same form, for comparisons with real templates:

    python3 make_families.py OUT.json TEMPLATE.jinja ...
"""

import json
import pathlib
import sys

import jinja2

from make_cases import environment

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather", "description": "Get the weather of a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "The city, e.g. \"Zürich\""},
                "unit": {"type": "string", "enum": ["C", "F"], "description": "Unit"},
                "days": {"type": "array", "items": {"type": "integer"}},
                "opt": {"type": ["string", "null"], "default": None},
            },
            "required": ["city"],
        },
        "return": {"type": "string", "description": "the weather"},
    },
}
ADD = {
    "type": "function",
    "function": {
        "name": "add", "description": "Adds <two> & \"numbers\".",
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"type": "number"}, "b": {"type": "number"},
                "o": {"type": "object", "properties": {"k": {"type": "boolean"}}},
            },
            "required": ["a", "b"],
        },
    },
}
NOW = {"type": "function", "function": {"name": "now", "description": "Time", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, ADD, NOW]
DOCUMENTS = [{"title": "A", "text": "First doc."}, {"title": "B", "text": "Second\ndoc."}]


def system(content="You are a helpful assistant.\nBe kind."):
    return {"role": "system", "content": content}


def user(content="Hello, 世界! 🎉 <b>\"x\"</b>"):
    return {"role": "user", "content": content}


def answer(content="Hi there!", **more):
    return {"role": "assistant", "content": content, **more}


def call(name, arguments, id="abcdefghi"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def result(content, name="get_weather", id="abcdefghi"):
    return {"role": "tool", "tool_call_id": id, "name": name, "content": content}


def text(content):
    return {"type": "text", "text": content}


AGAIN = user("  And now?\n")
TAGGED = answer("<think>\nLet me think.\n</think>\n\nThe answer is 4.")
THOUGHT = answer("4", reasoning_content="Because 2+2.", thinking="Because", reasoning="Because")
ONE = answer(None, tool_calls=[call("get_weather", {"city": "Zürich", "days": [1, 2], "n": None, "ok": True, "f": 1.5})])
STRING = answer(None, tool_calls=[call("get_weather", "{\"city\": \"Zürich\"}")])
EMPTY = answer("", tool_calls=[call("get_weather", {})])
SPOKEN = answer("Let me look.", reasoning_content="I need weather.", tool_calls=[call("get_weather", {"city": "Oslo"})])
TWO = answer("", tool_calls=[call("get_weather", {"city": "A"}), call("add", {"a": 1, "b": 2.5}, "123456789")])
FIRST = result("{\"temp\": 21}")
SECOND = result("3.5", "add", "123456789")
IMAGES = user([text("What is this?"), {"type": "image", "image": "x.png"}, text(" And that?"),
               {"type": "image_url", "image_url": {"url": "y"}}])
PARTS = user([text("Only text.")])

CONVERSATIONS = {
    "user": [user()], "system": [system(), user()], "turns": [system(), user(), answer(), AGAIN],
    "more turns": [user(), answer(), AGAIN, answer(), user()],
    "adjacent roles": [system(), user(), AGAIN, answer(), answer(), user()],
    "system in the middle": [user(), answer(), system(), AGAIN], "assistant first": [answer(), user()],
    "assistant last": [system(), user(), answer()], "thinking in tags": [system(), user(), TAGGED, AGAIN],
    "thinking apart": [user(), THOUGHT, AGAIN, THOUGHT, user()], "thinking last": [user(), THOUGHT],
    "call": [system(), user(), ONE], "call and result": [system(), user(), ONE, FIRST],
    "call with a string": [user(), STRING, FIRST], "call without arguments": [user(), EMPTY, FIRST, answer(), AGAIN],
    "call, result, answer": [system(), user(), ONE, FIRST, answer(), AGAIN],
    "call with words and thoughts": [system(), user(), SPOKEN, FIRST, THOUGHT, AGAIN],
    "two calls": [system(), user(), TWO, FIRST, SECOND], "two calls, answer": [user(), TWO, FIRST, SECOND, answer(), AGAIN],
    "result in parts": [user(), ONE, result([text("21")])], "images": [system(), IMAGES, answer(), PARTS],
    "all in parts": [system([text("Sys part.")]), PARTS, answer([text("An answer.")]), IMAGES],
    "developer": [{"role": "developer", "content": "Dev says."}, user()], "empty content": [user("")],
    "no content": [{"role": "user"}], "no messages": [], "unknown role": [{"role": "weird", "content": "x"}, user()],
    "system only": [system()],
}

BASE = {"add_generation_prompt": True, "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
VARIANTS = [
    BASE, {**BASE, "tools": TOOLS},
    {**BASE, "tools": TOOLS, "documents": DOCUMENTS, "add_generation_prompt": False, "enable_thinking": False,
     "tools_in_user_message": False, "builtin_tools": ["code_interpreter"], "controls": {"length": "short"}},
]
MORE_VARIANTS = [
    {**BASE, "enable_thinking": True, "thinking": True, "reasoning_effort": "high"},
    {**BASE, "documents": DOCUMENTS, "citations": True},
    {**BASE, "tools": None, "documents": None, "date_string": "01 Jan 2025", "custom_tools": TOOLS},
    {**BASE, "tools": TOOLS, "documents": DOCUMENTS, "keep_past_thinking": True, "preserve_thinking": True, "clear_thinking": False,
     "system_prompt": "X"},
    {**BASE, "tools": TOOLS, "add_generation_prompt": False},
]


def main():
    arguments = sys.argv[1:]
    paths = [pathlib.Path(path) for path in arguments[1:]] or sorted(pathlib.Path("Families").glob("*.jinja"))
    variants = VARIANTS + (MORE_VARIANTS if arguments else [])
    env = environment()
    templates = []
    count = refused = 0
    for path in paths:
        source = path.read_text(encoding="utf-8")
        template = env.from_string(source)
        results = []
        for messages in CONVERSATIONS.values():
            for variant in variants:
                count += 1
                try:
                    results.append(template.render(messages=messages, **variant))
                except Exception:  # whatever Python throws, the template has failed
                    results.append(None)
                    refused += 1
        templates.append({"name": path.name, **({"source": source} if arguments else {}), "results": results})
    out = {"conversations": CONVERSATIONS, "variants": variants, "templates": templates}
    with open(arguments[0] if arguments else "families.json", "w", encoding="utf-8") as file:
        json.dump(out, file, ensure_ascii=False, indent=None if arguments else 0)
        file.write("\n")
    print(f"{len(templates)} templates, {count} renderings, {refused} refused")


if __name__ == "__main__":
    main()
