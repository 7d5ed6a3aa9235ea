#!/usr/bin/env python3
"""Kills a server again and again while it writes its prompt cache, and looks at what the next one finds.

usage: kill_server.py [--swiftlet .build/release/swiftlet] [-m MODEL] [--rounds 100] [--seed 1]

Every round starts `swiftlet serve --prompt-cache DIRECTORY`, sends some long prompts at once and kills the server (SIGKILL)
after a random time, mostly while files of caches are being written. The next server must become ready, answer the same
prompts as a server without prompt cache does, and find every file whole: old, new or not there. At the end nothing but whole
files may lie in the directory.
"""

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import urllib.error

from serving import Server

WORDS = "the a dog cat sun king sea house tree bird little old big red went saw said was and then".split()
BROKEN = (urllib.error.URLError, ConnectionError, TimeoutError, OSError, ValueError)


def body(seed, length):
    source = random.Random(seed)
    prompt = "Once upon a time " + " ".join(source.choice(WORDS) for _ in range(length))
    cache = source.choice([{}, {"kv_policy": "snapkv:window=8", "kv_budget": "50%"}, {"kv_type_k": "q8_0", "kv_type_v": "q8_0"}])
    return {"prompt": prompt, "max_tokens": 8, "temperature": 0, **cache}


def text(server, body):
    return server.post("/v1/completions", body)["choices"][0]["text"]


def ask(server, bodies):
    """Sends requests side by side that nobody may live to answer."""

    def one(body):
        try:
            text(server, body)
        except BROKEN:
            pass

    threads = [threading.Thread(target=one, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    return threads


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swiftlet", default=".build/release/swiftlet")
    parser.add_argument("-m", "--model")
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--length", type=int, default=300, help="words of a prompt")
    parser.add_argument("--port", type=int, default=18190)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    source = random.Random(options.seed)
    common = ["-t", "2", "--parallel", "4", "-q"] + (["-m", options.model] if options.model else [])
    failures, halves, restored = [], 0, 0
    with tempfile.TemporaryDirectory() as folder, open(os.path.join(folder, "log"), "w+") as log:
        caches = os.path.join(folder, "caches")
        os.mkdir(caches)

        def start(*arguments):
            return Server(options.swiftlet, options.port, [*common, *arguments], log).wait()

        bodies = [body(source.random(), options.length) for _ in range(options.rounds * options.prompts)]
        server = start("--no-cache-prompt")
        expected = [text(server, body) for body in bodies]
        server.end()
        for round in range(options.rounds):
            mine = slice(round * options.prompts, (round + 1) * options.prompts)
            server = start("--prompt-cache", caches)
            if round > 0:  # what the last round wrote
                before = slice(mine.start - options.prompts, mine.start)
                for index in range(before.start, before.stop):
                    answer = server.post("/v1/completions", bodies[index])
                    found = answer["choices"][0]["text"]
                    restored += answer["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
                    if found != expected[index]:
                        failures.append(f"round {round}: {found!r} instead of {expected[index]!r}")
            known = set(os.listdir(caches))
            threads = ask(server, bodies[mine])
            deadline = time.time() + source.uniform(0.05, 1.5)
            wanted = source.randrange(1, 4)  # files that have to appear before
            while time.time() < deadline and len(set(os.listdir(caches)) - known) < wanted:
                time.sleep(0.0005)
            time.sleep(source.random() * 0.003)
            server.kill()
            halves += any(name.endswith(".tmp") for name in set(os.listdir(caches)) - known)
            for thread in threads:
                thread.join()
        time.sleep(11)  # temporary files that are new may still belong to somebody
        server = start("--prompt-cache", caches)
        for index in range(len(bodies) - options.prompts, len(bodies)):
            if text(server, bodies[index]) != expected[index]:
                failures.append(f"the end: {bodies[index]['prompt'][:60]}")
        if server.end() != 0:
            failures.append("the server did not end well")
        left = [name for name in os.listdir(caches) if not name.endswith(".promptcache")]
        if left:
            failures.append(f"left behind: {left}")
        log.seek(0)
        damaged = [line.strip() for line in log if "damaged" in line or "error" in line]
        failures += damaged
        files = len(os.listdir(caches))
    print(f"{options.rounds} kills, {halves} of them with a file half written; {restored} prompts came from {files} files")
    if halves == 0:
        failures.append("no kill hit a file that was being written; raise --length")
    for failure in failures:
        print("failure:", failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
