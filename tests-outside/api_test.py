"""The API does what its description says: schemathesis reads it, and tries every route with all its checks.

It sends what the description shows, what it allows, and what it forbids; it leaves out the key, or sends a wrong one;
it follows ids from one answer to the next call. `schemathesis.toml` says what is left out, and why.
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
# They would take away the key that calls, so they are tried with no way to come to its id.
OF_KEYS = ["revoke_api_key", "rotate_api_key"]
# They would leave accounts with made-up tokens, or none: whatever asks Meta for something could only fail then.
OF_ACCOUNTS = ["create_account", "update_account", "delete_account"]


def schemas_within(part: object, place: str = "") -> Iterator[tuple[str, dict]]:
    """Each schema of the description, with its place."""
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

    def test_each_route_does_what_its_description_says(self) -> None:
        choice = [word for name in OF_KEYS + OF_ACCOUNTS for word in ("--exclude-operation-id", name)]
        self.try_routes(*choice, "--max-examples", "8")

    def test_so_do_the_routes_that_take_keys_away(self) -> None:
        choice = [word for name in [*OF_KEYS, "create_api_key"] for word in ("--include-operation-id", name)]
        self.try_routes(*choice, "--max-examples", "20")

    def test_so_do_the_routes_that_change_accounts(self) -> None:
        names = [*OF_ACCOUNTS, "list_accounts", "get_account", "resume_account"]
        choice = [word for name in names for word in ("--include-operation-id", name)]
        self.try_routes(*choice, "--max-examples", "20")


if __name__ == "__main__":
    unittest.main()
