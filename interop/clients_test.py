"""Tests that generated clients compile and send a message.

The clients are generated again only if the document or a generator has changed.
"""

import hashlib
import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import unittest

from gateway import Gateway

ROOT = pathlib.Path(__file__).parent.parent
JAVASCRIPT = ROOT / "interop" / "javascript"
MODULES = pathlib.Path(os.environ["WAYPOST_NODE_MODULES"])
CLIENTS = pathlib.Path(os.environ["WAYPOST_GENERATED_CLIENTS"])
DOCUMENT = ROOT / "docs" / "openapi.json"
# Packages that the generated clients need.
SOURCES = [
    DOCUMENT,
    ROOT / "README.md",
    ROOT / "interop" / "requirements.txt",
    ROOT / "interop" / "python_client.yaml",
    *(JAVASCRIPT / name for name in ("first_request.ts", "package-lock.json", "tsconfig.json")),
    pathlib.Path(__file__),
]
# Maximum number of models in a generated union.
WIDEST_UNION = 18


def run(*command: object, cwd: pathlib.Path) -> str:
    """Runs a program and returns its output."""
    ran = subprocess.run(
        [str(part) for part in command], cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120
    )
    if ran.returncode != 0 or ran.stderr:
        raise AssertionError(f"{command[0]} ends with {ran.returncode}:\n{ran.stdout}{ran.stderr}")
    return ran.stdout


def first_request() -> str:
    """Returns the body of the first request in the README."""
    return re.search(r"^  -d '(\{.*\})'$", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)[1]


def generated(name: str, generate) -> pathlib.Path:
    """Returns the folder of a client. `generate` fills the folder if it is not up to date."""
    digest = hashlib.sha256(b"".join(hashlib.sha256(path.read_bytes()).digest() for path in SOURCES)).hexdigest()
    folder = CLIENTS / name
    stamp = folder / "sources.sha256"
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != digest:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        generate(folder)
        stamp.write_text(digest, encoding="utf-8")
    return folder


def generate_typescript(folder: pathlib.Path) -> None:
    """Generates the types with default settings, and compiles the program that uses them."""
    (folder / "node_modules").symlink_to(MODULES)
    (folder / "package.json").write_text('{"type":"module"}\n', encoding="utf-8")
    for name in ("first_request.ts", "tsconfig.json"):
        shutil.copy(JAVASCRIPT / name, folder)
    text = f"export const firstRequest = {first_request()} as const;\n"
    (folder / "readme.ts").write_text(text, encoding="utf-8")
    run("node", MODULES / "openapi-typescript" / "bin" / "cli.js", DOCUMENT, "--output", "api.d.ts", cwd=folder)
    run("node", MODULES / "typescript" / "bin" / "tsc", "--project", "tsconfig.json", cwd=folder)


def generate_python(folder: pathlib.Path) -> None:
    """Generates the package, without a warning."""
    run(
        pathlib.Path(sys.executable).with_name("openapi-python-client"), "generate", "--fail-on-warning",
        "--path", DOCUMENT, "--config", ROOT / "interop" / "python_client.yaml",
        "--meta", "none", "--output-path", folder / "waypost_client",
        cwd=folder,
    )  # fmt: skip


class GeneratedClients(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway()
        self.addCleanup(self.gateway.stop)

    def test_typescript_accepts_and_sends_the_first_request_of_the_readme(self) -> None:
        folder = generated("typescript", generate_typescript)
        printed = run("node", "first_request.js", self.gateway.url, self.gateway.key, cwd=folder)
        self.assertEqual(printed, "sent\n")

    def test_python_sends_the_first_request_of_the_readme(self) -> None:
        folder = generated("python", generate_python)
        sys.path.insert(0, str(folder))
        self.addCleanup(sys.path.remove, str(folder))
        package = importlib.import_module("waypost_client")
        models = importlib.import_module("waypost_client.models")
        send = importlib.import_module("waypost_client.api.sending.send_message")
        client = package.Client(base_url=self.gateway.url, headers={"X-API-Key": self.gateway.key})
        message = models.TextMessage.from_dict(json.loads(first_request()))
        answer = send.sync(client=client, body=message)
        self.assertIsInstance(answer, models.SendMessageResponse)
        self.assertEqual(answer.data.status, "sent")

    def test_python_has_each_operation_and_no_wide_union(self) -> None:
        folder = generated("python", generate_python) / "waypost_client"
        document = json.loads(DOCUMENT.read_text(encoding="utf-8"))
        operations = {
            operation["operationId"] for methods in document["paths"].values() for operation in methods.values()
        }
        modules = {path.stem for path in (folder / "api").glob("*/*.py")} - {"__init__"}
        self.assertEqual(modules, operations)
        for path in folder.glob("**/*.py"):
            for union in re.findall(r"[\w.]+(?: \| [\w.\[\]]+){2,}", path.read_text(encoding="utf-8")):
                self.assertLessEqual(union.count("|"), WIDEST_UNION, f"{path.name}: {union}")


if __name__ == "__main__":
    unittest.main()
