"""A small client: the standard library is all it needs."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("WAYPOST_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("WAYPOST_KEY", "wp_test_sandbox_key_for_local_development_only")


class Refused(Exception):
    """An answer that says no: `code` is for programs, the text for people."""

    def __init__(self, status: int, answer: dict, retry_after: int | None) -> None:
        super().__init__(f"{status} {answer['code']}: {answer['message']}")
        self.status, self.code, self.details = status, answer["code"], answer.get("details", {})
        self.retry_after = retry_after


def call(method: str, path: str, body: dict | bytes | None = None, headers: dict | None = None) -> dict:
    """Makes a call, and hands back `data`."""
    if isinstance(body, dict):
        body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(URL + path, body, {"X-API-Key": KEY, **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        wait = error.headers.get("Retry-After")
        raise Refused(error.code, json.load(error), int(wait) if wait else None) from None


def send(message: dict) -> dict:
    """Sends a message once, however often it takes.

    429 and 5xx mean that nothing was sent: the same request is made again. With the same `Idempotency-Key` it is one
    message even if an answer was lost on the way.
    """
    key = str(uuid.uuid4())
    for attempt in range(1, 6):
        try:
            return call("POST", "/api/messages/send", message, {"Idempotency-Key": key})
        except Refused as refused:
            if refused.status != 429 and refused.status < 500 or attempt == 5:
                raise
            wait = refused.retry_after or attempt
        except OSError:
            if attempt == 5:
                raise
            wait = attempt
        time.sleep(wait)
    raise AssertionError("unreachable")
