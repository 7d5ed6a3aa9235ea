#!/usr/bin/env python3
"""Stands in for llama-server in llama.cpp's own server tests: starts `swiftlet serve` with the flags that it shares.

usage, in llama.cpp/tools/server/tests:
    LLAMA_SERVER_BIN_PATH=…/Tests/Scripts/llama_server.py SWIFTLET=…/swiftlet pytest unit/test_completion.py

Models that the tests name are on the network; SWIFTLET_MODEL names the file that takes their place, else it is the model
that is built in.
"""

import os
import sys

# Flags of places and hardware, and of a model's file, with their values.
VALUES = {
    "--hf-repo", "--hf-file", "--model", "--model-url", "--model-draft", "--n-gpu-layers", "-fa", "--mmproj-url", "--media-path",
    "--cache-ram",
}
WORDS = {"--offline", "--no-mmproj", "--swa-full", "--no-cache-idle-slots"}

arguments, rest = [], iter(sys.argv[1:])
for argument in rest:
    if argument in VALUES:
        next(rest, None)
    elif argument not in WORDS:
        arguments.append(argument)
if not any(argument.startswith("--chat-template") for argument in arguments) and "--embedding" not in arguments:
    arguments += ["--chat-template", "chatml"]  # what llama-server takes for models without a template
if "SWIFTLET_MODEL" in os.environ:
    arguments += ["-m", os.environ["SWIFTLET_MODEL"]]
program = os.environ.get("SWIFTLET", ".build/release/swiftlet")
os.execv(program, [program, "serve", "-t", "2", *arguments])
