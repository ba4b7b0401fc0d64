"""A `waypost dev` process for tests: gateway and simulator on free ports, in a temporary folder."""

import json
import os
import socket
import subprocess
import tempfile
import urllib.request

BINARY = os.environ["WAYPOST_BINARY"]
# Rate limit that no test reaches.
UNLIMITED = 1_000_000_000


def free_port() -> int:
    """Returns a port on which no process listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Gateway:
    """A running gateway."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        command = [BINARY, "dev", "--json", "--listen", "127.0.0.1:0", "--simulator-listen", "127.0.0.1:0"]
        # The process gets its configuration from flags only: its folder has no file, and its environment no variables.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")}
        self._process = subprocess.Popen(
            command, cwd=self._folder.name, env=environment, stdout=subprocess.PIPE, text=True
        )
        ready = json.loads(self._process.stdout.readline())
        self.url, self.simulator, self.key = ready["api"], ready["simulator"], ready["key"]

    def call(self, method: str, path: str, body: object = None) -> dict:
        """Sends a request and returns `data` of the response."""
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"X-API-Key": self.key, "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def patient_key(self) -> str:
        """Creates an API key with very high rate limits."""
        wish = {"name": "interop", "scopes": ["send", "read", "manage"]}
        return self.call(
            "POST", "/api/api-keys", wish | {"rate_per_minute": UNLIMITED, "rate_burst": UNLIMITED}
        )["key"]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._folder.cleanup()
