"""Tests that the commands and requests of README.md and docs/*.md work as printed.

Each document has its own `waypost dev`. Only addresses, paths and placeholders are replaced. A block of commands that is
neither run nor listed in NOT_RUN fails the test.
"""

import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.error

from gateway import BINARY, Gateway, free_port

ROOT = pathlib.Path(__file__).parent.parent
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\S*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r"(export )?[A-Z_]+=")

# Blocks that are not run: a text of the block, and the reason.
NOT_RUN = {
    "cargo run --release -- dev": "builds the program; this test runs the built one",
    "./test": "runs this test",
    "cargo deny": "downloads a program and a database",
    "systemctl": "needs systemd and root",
    "waypost doctor\n": "checks the service of the machine, and calls Meta",
    "waypost keys create --name shop": "sends through WhatsApp",
}
# Programs that run until they are stopped: the command, and what they print when they are ready.
BACKGROUND = {
    "python3 receiver.py": "",
    "waypost serve": "waypost started",
    "waypost listen": "forwarding the events",
    "waypost events tail": "following the events",
}
# Blocks in which single requests fail on purpose.
WITH_ERRORS = ["for number in +15550101026"]

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\n%%EOF\n"
FILES = {
    "invoice.pdf": PDF,
    "people.csv": b"phone_number,name\n+447700900123,Maya Osei\n",
    "message.json": b'{"to":"+15550100001","type":"location","location":{"latitude":51.5,"longitude":-0.1}}',
    "token": b"EAAtoken",
    "app_secret": b"0123456789abcdef0123456789abcdef",
    "verify_token": b"a-verify-token",
}


class Document:
    """The environment of the commands of a document."""

    def __init__(self, path: pathlib.Path) -> None:
        self.blocks = [(match[1], match[2]) for match in BLOCK.finditer(path.read_text(encoding="utf-8"))]
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self.gateway = Gateway()
        self.port = free_port()
        self._background: list[subprocess.Popen] = []
        self._assignments = ""
        for name in ("bin", "etc", "var", "backups"):
            (self.folder / name).mkdir()
        for name, content in FILES.items():
            (self.folder / name).write_bytes(content)
        (self.folder / "bin" / "waypost").symlink_to(BINARY)
        # A status of 400 or more fails the command.
        wrapper = self.folder / "bin" / "curl"
        wrapper.write_text('#!/bin/sh\nexec /usr/bin/curl --silent --show-error --fail-with-body --max-time 60 "$@"\n')
        wrapper.chmod(0o755)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("WAYPOST_")},
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "WAYPOST_URL": self.gateway.url,
            "WAYPOST_KEY": self.gateway.key,
            "WAYPOST_SIMULATOR__BASE_URL": self.gateway.simulator,
            "WAYPOST_LISTEN": f"127.0.0.1:{free_port()}",
            "WAYPOST_DATABASE_URL": f"sqlite:{self.folder / 'waypost.db'}",
            "WAYPOST_SECRET_KEY_FILE": str(self.folder / "secret_key"),
        }
        (self.folder / "secret_key").write_text("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
        subprocess.run([BINARY, "migrate"], cwd=self.folder, env=self.environment, check=True, capture_output=True)

    def close(self) -> None:
        for process in self._background:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.gateway.stop()
        self._folder.cleanup()

    def substituted(self, text: str) -> str:
        """Replaces addresses, paths and placeholders."""
        for old, new in {
            "http://127.0.0.1:8080": self.gateway.url,
            "http://127.0.0.1:8090": self.gateway.simulator,
            "https://wa.example.com": self.gateway.url,
            "127.0.0.1:9000": f"127.0.0.1:{self.port}",
            '("127.0.0.1", 9000)': f'("127.0.0.1", {self.port})',
            "localhost:3000": f"localhost:{self.port}",
            "X-API-Key: …": f"X-API-Key: {self.gateway.key}",
            "/etc/waypost/": f"{self.folder}/etc/",
            "/var/lib/waypost": f"{self.folder}/var",
            "/backups/": f"{self.folder}/backups/",
        }.items():
            text = text.replace(old, new)
        if "PUT-THE-ID-HERE" in text:
            text = text.replace("PUT-THE-ID-HERE", self.gateway.call("GET", "/api/messages")["messages"][0]["id"])
        if "WEBHOOK-ID" in text:
            text = text.replace("WEBHOOK-ID", self.gateway.call("GET", "/api/webhooks")["webhooks"][0]["id"])
        if "MEDIA-ID" in text:
            text = text.replace("MEDIA-ID", self.upload())
        return text

    def upload(self) -> str:
        command = ["curl", f"{self.gateway.url}/api/media", "-H", f"X-API-Key: {self.gateway.key}"]
        command += ["-F", "file=@invoice.pdf;type=application/pdf"]
        done = subprocess.run(command, cwd=self.folder, check=True, capture_output=True, env=self.environment)
        return json.loads(done.stdout)["data"]["id"]

    def shell(self, text: str, stops_at_error: bool) -> subprocess.CompletedProcess:
        if "wait=30" in text or "latest" in text:
            # Without an event, the call would wait.
            message = {"to": "+15550100001", "type": "text", "text": "Hi"}
            threading.Timer(1, self.gateway.call, ("POST", "/api/messages/send", message)).start()
        options = ["-e"] if stops_at_error else []
        return subprocess.run(
            ["sh", *options, "-c", self._assignments + text],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
        )

    def start(self, text: str, ready: str) -> None:
        """Starts a block in the background, and waits until it is ready."""
        log = self.folder / f"background-{len(self._background)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["sh", "-e", "-c", self._assignments + text],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._background.append(process)
        deadline = time.monotonic() + 20
        while ready not in log.read_text():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"{text}\n{log.read_text()}")
            time.sleep(0.02)
        self.keep_assignments(text)

    def keep_assignments(self, text: str) -> None:
        """Keeps the variables of a block for the following blocks: a reader uses the same shell."""
        lines = [line for line in text.splitlines() if ASSIGNMENT.match(line)]
        self._assignments += "".join(f"{line}\n" for line in lines)


def expected_code(blocks: list[tuple[str, str]], index: int) -> str | None:
    """Returns the error code that the document shows as the answer of a block."""
    language, text = blocks[index + 1] if index + 1 < len(blocks) else ("", "")
    match = re.match(r'\{"status":"error".*?"code":"(\w+)"', text) if language == "json" else None
    return match[1] if match else None


class Documents(unittest.TestCase):
    def test_every_block_of_commands_works_as_printed(self) -> None:
        not_run = set()
        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            languages = {match[1] for match in BLOCK.finditer(text)}
            self.assertNotIn("", languages, f"{path.name}: a block has no language")
            if "sh" not in languages:
                continue
            document = Document(path)
            try:
                not_run |= self.run_blocks(path.name, document)
            finally:
                document.close()
        self.assertEqual(set(NOT_RUN), not_run, "an exception belongs to no block")

    def run_blocks(self, name: str, document: Document) -> set[str]:
        """Runs the blocks of a document. Returns the exceptions that were used."""
        not_run = set()
        for index, (language, block) in enumerate(document.blocks):
            if language == "python" and "HTTPServer(" in block:
                (document.folder / "receiver.py").write_text(document.substituted(block))
            if language == "toml" and block.startswith("# waypost.toml"):
                (document.folder / "waypost.toml").write_text(document.substituted(block))
            if language != "sh":
                continue
            with self.subTest(f"{name}: {block.splitlines()[0]}"):
                exceptions = {text for text in NOT_RUN if text in block}
                if exceptions:
                    not_run |= exceptions
                    continue
                commands = document.substituted(block)
                last = commands.rstrip().splitlines()[-1]
                ready = next((ready for start, ready in BACKGROUND.items() if last.startswith(start)), None)
                if ready is not None:
                    document.start(commands, ready)
                    continue
                done = document.shell(commands, stops_at_error=not any(text in block for text in WITH_ERRORS))
                code = expected_code(document.blocks, index)
                if code:
                    self.assertNotEqual(done.returncode, 0, done.stdout)
                    self.assertIn(f'"code":"{code}"', done.stdout)
                else:
                    self.assertEqual(done.returncode, 0, f"{commands}\n{done.stdout}\n{done.stderr}")
                document.keep_assignments(commands)
        return not_run

    def test_every_message_of_the_page_about_sending_is_valid(self) -> None:
        gateway = Gateway()
        self.addCleanup(gateway.stop)
        gateway.key = gateway.patient_key()
        n_messages = 0
        for match in BLOCK.finditer((ROOT / "docs" / "sending.md").read_text(encoding="utf-8")):
            if match[1] != "json" or not match[2].startswith('{"to":'):
                continue
            n_messages += 1
            with self.subTest(match[2][:120]):
                try:
                    gateway.call("POST", "/api/messages/send", json.loads(match[2]) | {"dry_run": True})
                except urllib.error.HTTPError as error:
                    self.fail(error.read().decode())
        self.assertGreaterEqual(n_messages, 20)


if __name__ == "__main__":
    unittest.main()
