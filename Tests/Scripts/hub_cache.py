"""Checks that `swiftlet pull` and huggingface_hub share one cache, against a hub that runs on this machine.

    python Tests/Scripts/hub_cache.py .build/release/swiftlet

1. Swiftlet pulls a model; huggingface_hub finds every file of it offline.
2. huggingface_hub pulls the model; Swiftlet has nothing left to download, and resolves the name.
3. Swiftlet removes it; huggingface_hub's scan of the cache agrees before and after.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORY = "org/tiny"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}",
    "model.safetensors": bytes(range(256)) * 4096,
    "additional_chat_templates/tool.jinja": b"{{ messages }}",
}
LARGE = {"model.safetensors"}


def etag(path):
    content = FILES[path]
    if path in LARGE:
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


class Hub(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    requests = []

    def log_message(self, *arguments):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        self.answer()

    def send(self, status, headers, body):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def answer(self):
        path = self.path.split("?")[0]
        Hub.requests.append((self.command, path))
        api = f"/api/models/{REPOSITORY}"
        if path.startswith(f"{api}/tree/"):
            entries = [self.entry(name) for name in FILES]
            return self.send(200, {"Content-Type": "application/json"}, json.dumps(entries).encode())
        if path == api or path.startswith(f"{api}/revision/"):
            siblings = [{"rfilename": name, "size": len(FILES[name]), "blobId": self.git(name)} for name in FILES]
            for sibling in siblings:
                if sibling["rfilename"] in LARGE:
                    size = len(FILES[sibling["rfilename"]])
                    sibling["lfs"] = {"sha256": etag(sibling["rfilename"]), "size": size, "pointerSize": 134}
            body = {"id": REPOSITORY, "modelId": REPOSITORY, "sha": COMMIT, "siblings": siblings, "private": False,
                    "tags": [], "downloads": 0}
            return self.send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())
        for name, content in FILES.items():
            if path in (f"/{REPOSITORY}/resolve/{COMMIT}/{name}", f"/{REPOSITORY}/resolve/main/{name}"):
                headers = {"ETag": f'"{etag(name)}"', "X-Repo-Commit": COMMIT}
                if name in LARGE:
                    headers |= {"X-Linked-Etag": f'"{etag(name)}"', "X-Linked-Size": str(len(content))}
                start = 0
                if field := self.headers.get("Range"):
                    start = int(field.removeprefix("bytes=").split("-")[0])
                    headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
                return self.send(206 if start else 200, headers, content[start:])
        self.send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"")

    @staticmethod
    def git(name):
        return hashlib.sha1(b"blob %d\0" % len(FILES[name]) + FILES[name]).hexdigest()

    @classmethod
    def entry(cls, name):
        entry = {"type": "file", "path": name, "size": len(FILES[name]), "oid": cls.git(name)}
        if name in LARGE:
            entry["lfs"] = {"oid": etag(name), "size": len(FILES[name]), "pointerSize": 134}
        return entry


def python(code, environment):
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def swiftlet(program, *arguments, environment):
    result = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def main():
    program = os.path.abspath(sys.argv[1])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        base = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
        base |= {"HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_DISABLE_XET": "1",
                 "HF_HUB_DISABLE_TELEMETRY": "1"}
        check_ours(program, base | {"HF_HOME": f"{folder}/ours"})
        check_theirs(program, base | {"HF_HOME": f"{folder}/theirs"})
    print("swiftlet and huggingface_hub share one cache")


def check_ours(program, environment):
    path = swiftlet(program, "pull", REPOSITORY, environment=environment)
    offline = environment | {"HF_HUB_OFFLINE": "1"}
    found = python(
        "from huggingface_hub import snapshot_download\n"
        f"print(snapshot_download({REPOSITORY!r}, local_files_only=True))", offline)
    assert found == path, (found, path)
    for name, content in FILES.items():
        file = python(
            "from huggingface_hub import try_to_load_from_cache\n"
            f"print(try_to_load_from_cache({REPOSITORY!r}, {name!r}))", offline)
        assert file == f"{path}/{name}", file
        with open(file, "rb") as stream:
            assert stream.read() == content
    before = len(Hub.requests)
    again = python(
        "from huggingface_hub import snapshot_download\n" f"print(snapshot_download({REPOSITORY!r}))", environment)
    assert again == path
    assert not [r for r in Hub.requests[before:] if r[0] == "GET" and "/resolve/" in r[1]], "downloaded again"
    count_repositories(environment, 1)
    swiftlet(program, "cache", "rm", REPOSITORY, "--yes", environment=environment)
    count_repositories(environment, 0)


def check_theirs(program, environment):
    path = python(
        "from huggingface_hub import snapshot_download\n" f"print(snapshot_download({REPOSITORY!r}))", environment)
    before = len(Hub.requests)
    report = json.loads(swiftlet(program, "pull", REPOSITORY, "--json", environment=environment))
    assert report["path"] == path and report["downloaded_bytes"] == 0, report
    assert len(Hub.requests) == before + 1, Hub.requests[before:]
    listed = json.loads(swiftlet(program, "cache", "list", "--json", environment=environment))
    scanned = json.loads(python(
        "import json\nfrom huggingface_hub import scan_cache_dir\n"
        "print(json.dumps([[r.repo_id, r.size_on_disk] for r in scan_cache_dir().repos]))", environment))
    assert [[r["name"], r["bytes"]] for r in listed["repositories"]] == scanned, (listed, scanned)
    python(
        "from huggingface_hub import snapshot_download\n"
        f"snapshot_download({REPOSITORY!r}, local_files_only=True)", environment | {"HF_HUB_OFFLINE": "1"})


def count_repositories(environment, count):
    code = "from huggingface_hub import scan_cache_dir\ninfo = scan_cache_dir()\nassert not info.warnings, info.warnings\n"
    found = python(code + "print(len(info.repos))", environment)
    assert int(found) == count, found


if __name__ == "__main__":
    main()
