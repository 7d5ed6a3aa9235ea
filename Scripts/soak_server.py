#!/usr/bin/env python3
"""Sends thousands of mixed requests to a running server and looks at what becomes of it.

usage: soak_server.py http://127.0.0.1:8080 [--requests 10000] [--connections 32] [--pid PID] [--seed 1]

A third of the requests are valid and must be answered as a lone request was (temperature 0); the others are malformed, of
wrong types, huge, aborted half-way, or read slowly. Fails if a valid answer differs, a refusal is no JSON, a status is
unexpected, the server goes away, or (with --pid) its resident memory grows by more than 2 % after the first fifth.
"""

import argparse
import json
import random
import socket
import sys
import threading
import time
from urllib.parse import urlparse

PROMPTS = ["Once upon a time", "The dog", "Tell me", "A cat", "In the garden", "The sun", "A king", "Snow"]


def exchange(address, payload, slow=False, abort=None):
    """Sends bytes, and returns status and body; None if the connection was ended on purpose."""
    with socket.create_connection(address, timeout=300) as connection:
        if abort == "sending":
            connection.sendall(payload[: len(payload) // 2])
            return None
        connection.sendall(payload)
        received = b""
        while True:
            if abort == "reading" and len(received) > 200:
                return None
            if slow:
                time.sleep(0.02)
            piece = connection.recv(256 if slow or abort else 65536)
            if not piece:
                break
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


def request(path, body, method="POST"):
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def valid(prompt, stream=False):
    return {"prompt": prompt, "max_tokens": 12, "temperature": 0, "stream": stream}


def nonsense(random):
    """A body that must be refused, or may be if nothing in it is wrong by chance."""
    body = bytearray(json.dumps(valid(random.choice(PROMPTS))).encode())
    kind = random.randrange(5)
    if kind == 0:
        for _ in range(random.randint(1, 5)):
            body[random.randrange(len(body))] = random.randrange(256)
        return bytes(body)
    if kind == 1:
        return b"[" * random.randint(1, 100000)
    if kind == 2:
        return json.dumps({"prompt": "a" * random.randint(1, 1 << 20), "max_tokens": 1}).encode()
    if kind == 3:
        field = random.choice(["temperature", "n", "stop", "logit_bias", "max_tokens", "stream", "kv_policy"])
        value = random.choice(["x", -1, 1e300, [], {}, [[]], True, "\u0000", {"a": {"b": []}}])
        return json.dumps({**valid("a"), field: value}).encode()
    return json.dumps({"messages": random.choice([[], [1], [{}], "x", [{"role": "user", "content": {}}]])}).encode()


class Soak:
    def __init__(self, options):
        url = urlparse(options.server)
        self.address = (url.hostname, url.port or 80)
        self.options = options
        self.lock = threading.Lock()
        self.left = options.requests
        self.failures = []
        self.counts = {}
        self.alone = {}

    def text(self, answer):
        return json.loads(answer[1])["choices"][0]["text"]

    def one(self, random):
        kind = random.random()
        if kind < 0.34:
            prompt = random.choice(PROMPTS)
            answer = exchange(self.address, request("/v1/completions", valid(prompt)))
            if answer[0] == 503:
                return "busy"
            assert answer[0] == 200, answer
            assert self.text(answer) == self.alone[prompt], (prompt, self.text(answer))
            return "valid"
        if kind < 0.64:
            path = random.choice(["/v1/completions", "/v1/chat/completions", "/v1/messages", "/tokenize", "/completion"])
            status, body = exchange(self.address, request(path, nonsense(random)))
            assert status in (200, 400, 413, 503), (status, body[:200])
            json.loads(body)
            return "nonsense"
        if kind < 0.8:
            exchange(self.address, request("/v1/completions", valid("Once", True)), abort=random.choice(["sending", "reading"]))
            return "aborted"
        if kind < 0.85:
            status, body = exchange(self.address, request("/v1/completions", valid("Once", True)), slow=True)
            assert status in (200, 503), status
            return "slow"
        path = random.choice(["/health", "/v1/models", "/slots", "/nothing", "/props", "/v1/completions"])
        status, body = exchange(self.address, request(path, b"", "GET"))
        assert status in (200, 404, 405, 501), (path, status)
        return "other"

    def work(self, seed):
        source = random.Random(seed)
        while True:
            with self.lock:
                if self.left == 0 or len(self.failures) > 20:
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

    def resident(self):
        with open(f"/proc/{self.options.pid}/statm") as file:
            return int(file.read().split()[1]) * 4096

    def run(self):
        for prompt in PROMPTS:
            self.alone[prompt] = self.text(exchange(self.address, request("/v1/completions", valid(prompt))))
        threads = [
            threading.Thread(target=self.work, args=(self.options.seed * 1000 + index,))
            for index in range(self.options.connections)
        ]
        for thread in threads:
            thread.start()
        early = None
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.2)
            if early is None and self.options.pid and self.left < self.options.requests * 0.8:
                early = self.resident()
        for thread in threads:
            thread.join()
        print(json.dumps(self.counts))
        if early:
            late = self.resident()
            print(f"resident memory: {early >> 20} MiB after a fifth, {late >> 20} MiB at the end")
            if late > early * 1.02:
                self.failures.append("resident memory has grown")
        assert exchange(self.address, request("/health", b"", "GET"))[0] == 200
        for failure in self.failures:
            print("failure:", failure, file=sys.stderr)
        return 1 if self.failures else 0


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("server")
parser.add_argument("--requests", type=int, default=10000)
parser.add_argument("--connections", type=int, default=32)
parser.add_argument("--pid", type=int)
parser.add_argument("--seed", type=int, default=1)
sys.exit(Soak(parser.parse_args()).run())
