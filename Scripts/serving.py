"""What the scripts that test a running server share: starting and ending it, and asking it."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request


class Server:
    """`swiftlet serve` as a process of its own, on a port that it was told."""

    def __init__(self, program, port, arguments, log):
        self.base = f"http://127.0.0.1:{port}"
        command = [program, "serve", "--port", str(port), *arguments]
        self.process = subprocess.Popen(command, stdout=log, stderr=log)
        self.log = log

    @property
    def pid(self):
        return self.process.pid

    def wait(self, seconds=60):
        """Waits until the model is ready."""
        end = time.time() + seconds
        while time.time() < end:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}")
            try:
                with urllib.request.urlopen(self.base + "/health", timeout=5) as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        raise RuntimeError("the server does not become ready")

    def post(self, path, body, seconds=120):
        """The JSON that a request is answered with."""
        request = urllib.request.Request(self.base + path, json.dumps(body).encode())
        with urllib.request.urlopen(request, timeout=seconds) as answer:
            return json.load(answer)

    def resident(self):
        """Bytes of its memory that are not in files."""
        with open(f"/proc/{self.pid}/smaps_rollup") as file:
            fields = dict(line.split(":", 1) for line in list(file)[1:])
        return int(fields["Anonymous"].split()[0]) * 1024

    def processor_seconds(self):
        with open(f"/proc/{self.pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self, seconds=60):
        """Asks it to end; returns its status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)
