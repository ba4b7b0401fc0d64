"""Tests that the examples print the output in their comments."""

import os
import pathlib
import re
import subprocess
import sys
import threading
import unittest

from gateway import Gateway

EXAMPLES = pathlib.Path(__file__).parent.parent / "examples"
# Interpreter of the programs of a folder, and the start of a comment in their language.
LANGUAGES = {"curl": ("sh", "# "), "python": (sys.executable, "# "), "javascript": ("node", "// ")}
LIBRARIES = ["waypost.py", "waypost.mjs"]


def promised(path: pathlib.Path) -> list[str]:
    """Returns the lines of the comment at the end."""
    mark = LANGUAGES[path.parent.name][1].strip()
    lines = []
    for line in reversed(path.read_text(encoding="utf-8").splitlines()):
        if not line.startswith(mark):
            break
        lines.append(line.removeprefix(mark).removeprefix(" "))
    return lines[::-1]


def pattern(line: str) -> str:
    """Returns the pattern of an expected line, in which `…` matches any text."""
    return ".*".join(re.escape(part) for part in line.replace(", …", "…").split("…"))


class Examples(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway()
        self.addCleanup(self.gateway.stop)

    def start(self, path: pathlib.Path) -> subprocess.Popen:
        environment = {
            **os.environ,
            "WAYPOST_URL": self.gateway.url,
            "WAYPOST_KEY": self.gateway.key,
            "NODE_PATH": os.environ["WAYPOST_NODE_MODULES"],
        }
        command = [LANGUAGES[path.parent.name][0], str(path)]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def test_each_example_prints_the_expected_output(self) -> None:
        paths = [path for folder in LANGUAGES for path in sorted((EXAMPLES / folder).glob("*.*"))]
        paths = [path for path in paths if path.name not in LIBRARIES and path.name != "follow_events.sh"]
        self.assertGreaterEqual(len(paths), 18)
        for path in paths:
            with self.subTest(f"{path.parent.name}/{path.name}"):
                program = self.start(path)
                try:
                    printed, complaints = program.communicate(timeout=60)
                finally:
                    program.kill()
                self.assertEqual(program.returncode, 0, complaints)
                lines = promised(path)
                self.assertGreater(len(lines), 0, "it does not say what it prints")
                expected = r"\s*".join(pattern(line) for line in lines)
                self.assertRegex(printed, rf"(?s)^{expected}\s*$")

    def test_curl_streams_events(self) -> None:
        program = self.start(EXAMPLES / "curl" / "follow_events.sh")
        self.addCleanup(program.stdout.close)
        self.addCleanup(program.stderr.close)
        self.addCleanup(program.wait)
        self.addCleanup(program.kill)
        # The first line shows that the stream has started.
        self.assertEqual(program.stdout.readline(), ": the events of this workspace\n")
        message = {"to": "+15550100001", "type": "text", "text": "Hi"}
        threading.Thread(target=self.gateway.call, args=("POST", "/api/messages/send", message)).start()
        for line in program.stdout:
            if line.startswith("event: "):
                self.assertEqual(line, "event: message.sent\n")
                return
        self.fail("no event came")


if __name__ == "__main__":
    unittest.main()
