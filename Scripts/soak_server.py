#!/usr/bin/env python3
"""Sends thousands of mixed requests to a server and looks at what becomes of it.

usage: soak_server.py [--swiftlet .build/release/swiftlet] [-m MODEL] [--requests 10000] [--connections 32] [--seed 1]

Starts the server and ends it. A third of the requests are valid, with policies, streams and choices, and must be answered
as a lone request was (temperature 0); the others are malformed, of wrong types, huge, aborted half-way, or read slowly.
Fails if a valid answer differs, a refusal is no JSON, a status is unexpected, the server goes away or does not end when
asked to, if its memory at rest grows by more than 2 % after the first three tenths, or if kept prompts take more than
they may.
"""

import argparse
import json
import random
import socket
import sys
import threading
import time
from urllib.parse import urlparse

from serving import Server

CACHE_MIB = 16
PROMPTS = ["Once upon a time", "The dog", "Tell me", "A cat", "In the garden", "The sun", "A king", "Snow"]
STORY = "Once upon a time there was a little dog who lived in a house by the sea, and every day he went out. "
CACHES = [
    {}, {"kv_policy": "streaming", "kv_budget": 24}, {"kv_policy": "snapkv:window=4", "kv_budget": "50%"},
    {"kv_policy": "h2o", "kv_budget": 20}, {"kv_type_k": "q8_0", "kv_type_v": "q8_0"}, {"kv_policy": "knorm", "kv_budget": "40%"},
]


def exchange(address, payload, slow=False, abort=None):
    """Sends bytes, and returns status and body; None if the connection was ended on purpose."""
    with socket.create_connection(address, timeout=300) as connection:
        if abort == "sending":
            connection.sendall(payload[: len(payload) // 2])
            return None
        try:
            connection.sendall(payload)
        except (BrokenPipeError, ConnectionResetError):
            pass  # a body that is too large is refused before all of it was sent
        received = b""
        while True:
            if abort == "reading" and len(received) > 200:
                return None
            if slow:
                time.sleep(0.02)
            try:
                piece = connection.recv(256 if slow or abort else 65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                break
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    if not head:
        raise RuntimeError("no answer")
    if b"chunked" in head.lower():
        body = joined(body)
    return int(head.split(b" ")[1]), body


def joined(body):
    """A body of chunks."""
    text = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        text, body = text + body[:count], body[count + 2 :]
    return text


def request(path, body, method="POST"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def plain(prompt, stream=False):
    return {"prompt": prompt, "max_tokens": 12, "temperature": 0, "stream": stream}


def valid():
    """Requests with one right answer each."""
    for prompt in PROMPTS:
        yield "/v1/completions", plain(prompt)
        yield "/v1/completions", plain(prompt, True)
    for prompt, cache in zip(PROMPTS, CACHES * 2):
        yield "/v1/completions", {**plain(STORY + prompt), **cache}
    yield "/v1/completions", {**plain("The dog"), "n": 2}
    yield "/v1/completions", {**plain("The dog"), "echo": True, "logprobs": 2}
    yield "/v1/chat/completions", {"messages": [{"role": "user", "content": STORY}], "max_tokens": 9, "temperature": 0}
    yield "/completion", {"prompt": "Snow", "n_predict": 9, "temperature": 0, "json_schema": {"type": "integer"}}


def texts(answer):
    """What the choices of an answer say, streamed or not."""
    body = answer[1]
    if body.startswith(b"data: "):
        parts = [line[6:] for line in body.split(b"\n") if line.startswith(b"data: {")]
        found = [choice["text"] for part in parts for choice in json.loads(part)["choices"]]
        return ["".join(found)]
    answer = json.loads(body)
    if "choices" not in answer:
        return [answer["content"]]
    return [choice.get("text") or choice["message"]["content"] for choice in answer["choices"]]


def nonsense(random):
    """A body that must be refused, or may be if nothing in it is wrong by chance."""
    body = bytearray(json.dumps(plain(random.choice(PROMPTS))).encode())
    kind = random.randrange(6)
    if kind == 0:
        for _ in range(random.randint(1, 5)):
            body[random.randrange(len(body))] = random.randrange(256)
        return bytes(body)
    if kind == 1:
        return b"[" * random.randint(1, 100000)
    if kind == 2:
        return json.dumps({"prompt": "a" * random.randint(1, 1 << 20), "max_tokens": 1}).encode()
    if kind == 3:
        field = random.choice(["temperature", "n", "stop", "logit_bias", "max_tokens", "stream", "kv_policy", "json_schema"])
        value = random.choice(["x", -1, 1e300, [], {}, [[]], True, "\u0000", {"a": {"b": []}}])
        return json.dumps({**plain("a"), field: value}).encode()
    if kind == 4 and random.random() < 0.05:
        return b'{"prompt": "' + b"a" * (66 << 20) + b'"}'
    return json.dumps({"messages": random.choice([[], [1], [{}], "x", [{"role": "user", "content": {}}]])}).encode()


class Soak:
    def __init__(self, options, server):
        url = urlparse(server.base)
        self.address = (url.hostname, url.port)
        self.options = options
        self.server = server
        self.lock = threading.Lock()
        self.left = options.requests
        self.failures = []
        self.counts = {}
        self.valid = list(valid())
        self.alone = []

    def one(self, random):
        kind = random.random()
        if kind < 0.34:
            index = random.randrange(len(self.valid))
            path, body = self.valid[index]
            answer = exchange(self.address, request(path, body))
            if answer[0] == 503:
                return "busy"
            assert answer[0] == 200, answer
            assert texts(answer) == self.alone[index], (body, texts(answer), self.alone[index])
            return "valid"
        if kind < 0.64:
            path = random.choice(["/v1/completions", "/v1/chat/completions", "/v1/messages", "/tokenize", "/completion"])
            status, body = exchange(self.address, request(path, nonsense(random)))
            assert status in (200, 400, 413, 503), (status, body[:200])
            if not body.startswith((b"data: ", b": ")):
                json.loads(body)
            return "nonsense"
        if kind < 0.8:
            exchange(self.address, request("/v1/completions", plain("Once", True)), abort=random.choice(["sending", "reading"]))
            return "aborted"
        if kind < 0.85:
            status, body = exchange(self.address, request("/v1/completions", plain("Once", True)), slow=True)
            assert status in (200, 503), status
            return "slow"
        path = random.choice(["/health", "/v1/models", "/slots", "/nothing", "/props", "/v1/completions", "/metrics", "/"])
        status, body = exchange(self.address, request(path, b"", "GET"))
        assert status in (200, 404, 405, 501), (path, status)
        return "other"

    def work(self, source, end):
        """Sends requests until so many are left."""
        while True:
            with self.lock:
                if self.left <= end or len(self.failures) > 20:
                    return
                self.left -= 1
            try:
                kind = self.one(source)
            except Exception as error:  # every kind of failure counts
                kind = "failed"
                with self.lock:
                    self.failures.append(repr(error)[:500])
            with self.lock:
                self.counts[kind] = self.counts.get(kind, 0) + 1

    def at_rest(self):
        """Memory of the server when nobody asks anything: with what it keeps of prompts, and after that was given up.

        What is kept depends on the last prompts. It is bounded by --kv-memory, and all of it must go back. Threads that
        have nothing to do end after some seconds.
        """
        kept = self.resident()
        exchange(self.address, request("/reset_prefix_cache", b""))
        time.sleep(7)
        return kept, self.resident()

    def resident(self):
        """Memory when no request runs any more: of clients that have gone, the server hears soon."""
        for _ in range(200):
            slots = json.loads(exchange(self.address, request("/slots", b"", "GET"))[1])
            if not any(slot["is_processing"] for slot in slots):
                break
            time.sleep(0.05)
        time.sleep(0.5)
        return self.server.resident()

    def run(self):
        begin = time.time()
        for path, body in self.valid:
            answer = exchange(self.address, request(path, body))
            assert answer[0] == 200, (body, answer)
            self.alone.append(texts(answer))
        sources = [random.Random(self.options.seed * 1000 + index) for index in range(self.options.connections)]
        sizes = []
        for tenth in range(10):
            end = self.options.requests * (9 - tenth) // 10
            threads = [threading.Thread(target=self.work, args=(source, end)) for source in sources]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            sizes.append(self.at_rest())
        seconds = time.time() - begin
        print(f"{self.options.requests} requests in {seconds:.0f} s: {json.dumps(self.counts)}")
        kept, bare = ([pair[index] for pair in sizes] for index in range(2))
        for name, column in (("with kept prompts", kept), ("without them", bare)):
            print(f"memory after every tenth {name}, MiB:", " ".join(f"{size / (1 << 20):.2f}" for size in column))
        if max(bare[7:]) > bare[2] * 1.02:
            self.failures.append("memory has grown by more than 2 % since three tenths of the requests")
        if max(kept) > max(bare[:3]) * 1.02 + CACHE_MIB * (1 << 20):
            self.failures.append("kept prompts take more than they may")
        assert exchange(self.address, request("/health", b"", "GET"))[0] == 200
        return self.failures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swiftlet", default=".build/release/swiftlet")
    parser.add_argument("-m", "--model")
    parser.add_argument("--requests", type=int, default=10000)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--port", type=int, default=18180)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    arguments = ["-t", "2", "--parallel", "8", "--kv-memory", f"{CACHE_MIB}MiB", "--metrics", "-q"]
    if options.model:
        arguments += ["-m", options.model]
    server = Server(options.swiftlet, options.port, arguments, sys.stderr)
    try:
        failures = Soak(options, server.wait()).run()
        status = server.end()
        if status != 0:
            failures.append(f"the server ended with {status}")
    finally:
        server.kill()
    for failure in failures:
        print("failure:", failure, file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
