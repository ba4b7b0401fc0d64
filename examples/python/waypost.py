"""A small client without dependencies."""

import json
import os
import time
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("WAYPOST_URL", "http://127.0.0.1:8080")
KEY = os.environ.get("WAYPOST_KEY", "wp_test_sandbox_key_for_local_development_only")


class WaypostError(Exception):
    """An error answer: programs branch on `code`, the message is for developers."""

    def __init__(self, status: int, answer: dict, retry_after: int | None) -> None:
        super().__init__(f"{status} {answer['code']}: {answer['message']}")
        self.status, self.code, self.details = status, answer["code"], answer.get("details", {})
        self.retry_after = retry_after


def call(method: str, path: str, body: dict | bytes | None = None, headers: dict | None = None) -> dict:
    """Sends a request and returns the `data` of its answer."""
    if isinstance(body, dict):
        body, headers = json.dumps(body).encode(), {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(URL + path, body, {"X-API-Key": KEY, **(headers or {})}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=90) as answer:
            return json.load(answer)["data"]
    except urllib.error.HTTPError as error:
        wait = error.headers.get("Retry-After")
        raise WaypostError(error.code, json.load(error), int(wait) if wait else None) from None


def send(message: dict) -> dict:
    """Sends a message exactly once, with retries.

    429 and 5xx mean that nothing was sent, so the request is repeated. The `Idempotency-Key` makes the repetition safe
    even if the first answer was lost.
    """
    key = str(uuid.uuid4())
    for attempt in range(1, 6):
        try:
            return call("POST", "/api/messages/send", message, {"Idempotency-Key": key})
        except WaypostError as error:
            if error.status != 429 and error.status < 500 or attempt == 5:
                raise
            wait = error.retry_after or attempt
        except OSError:
            if attempt == 5:
                raise
            wait = attempt
        time.sleep(wait)
    raise AssertionError("unreachable")
