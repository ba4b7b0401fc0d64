"""Tests that the API matches its OpenAPI document. Schemathesis tests every operation of the document with all checks.

Schemathesis sends the examples, other valid requests and invalid requests, with a valid key, without a key and with an
invalid key. Ids in responses are used in later requests. `schemathesis.toml` lists the exceptions with their reasons.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.request
from collections.abc import Iterator

import jsonschema_rs
from gateway import Gateway

FOLDER = pathlib.Path(__file__).parent
COMMAND = pathlib.Path(sys.executable).with_name("schemathesis")
# These operations could revoke the key of the test, so they are tested with a key that cannot find its own id.
OF_KEYS = ["revoke_api_key", "rotate_api_key"]
# These operations create accounts with invalid tokens, with which all calls of Meta would fail.
OF_ACCOUNTS = ["create_account", "update_account", "delete_account"]


def schemas_within(part: object, place: str = "") -> Iterator[tuple[str, dict]]:
    """Returns each schema of the document, with its JSON pointer."""
    if isinstance(part, list):
        for index, element in enumerate(part):
            yield from schemas_within(element, f"{place}/{index}")
    elif isinstance(part, dict):
        for name, member in part.items():
            if name == "schema":
                yield place, member
            elif place == "/components/schemas":
                yield f"{place}/{name}", member
            elif name not in ("example", "examples"):
                yield from schemas_within(member, f"{place}/{name}")


class Description(unittest.TestCase):
    def setUp(self) -> None:
        self.gateway = Gateway()
        self.addCleanup(self.gateway.stop)

    def try_routes(self, *choice: str) -> None:
        arguments = [
            "--config-file", FOLDER / "schemathesis.toml",
            "run", self.gateway.url + "/api/openapi.json",
            "--header", "X-API-Key: " + self.gateway.patient_key(),
            *choice,
        ]  # fmt: skip
        with tempfile.TemporaryDirectory() as folder:
            ran = subprocess.run(
                [COMMAND, *arguments], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=800
            )
        self.assertEqual(ran.returncode, 0, ran.stdout + ran.stderr)
        self.assertRegex(ran.stdout, r"\d{3,} generated, \d{3,} passed")

    def test_each_schema_is_json_schema(self) -> None:
        with urllib.request.urlopen(self.gateway.url + "/api/openapi.json", timeout=30) as answer:
            description = json.load(answer)
        schemas = list(schemas_within(description))
        self.assertGreater(len(schemas), 300)
        for place, schema in schemas:
            with self.subTest(place):
                jsonschema_rs.meta.validate({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema})

    def test_each_operation_matches_its_description(self) -> None:
        choice = [word for name in OF_KEYS + OF_ACCOUNTS for word in ("--exclude-operation-id", name)]
        self.try_routes(*choice, "--max-examples", "8")

    def test_operations_that_revoke_keys_match_their_descriptions(self) -> None:
        choice = [word for name in [*OF_KEYS, "create_api_key"] for word in ("--include-operation-id", name)]
        self.try_routes(*choice, "--max-examples", "20")

    def test_operations_that_change_accounts_match_their_descriptions(self) -> None:
        names = [*OF_ACCOUNTS, "list_accounts", "get_account", "resume_account"]
        choice = [word for name in names for word in ("--include-operation-id", name)]
        self.try_routes(*choice, "--max-examples", "20")


if __name__ == "__main__":
    unittest.main()
