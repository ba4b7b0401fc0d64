"""Shared parts of the Cloud API tests: the public client for the simulator, and a receiver of webhooks.

The client is the published package pywa without changes. The tests set the base URL of its HTTP session, and pass
webhooks to its functions for servers.
"""

import http.server
import json
import os
import queue
import threading
import time
import urllib.parse

import httpx
import pywa
from pywa import handlers
from pywa.errors import WhatsAppError
from pywa.types import CallbackButton, CallbackSelection, Message, MessageStatus, RawUpdate

SIMULATOR = os.environ["WAYPOST_SIMULATOR_URL"]
VERSION = "24.0"
VERIFY_TOKEN = "interop-verify-token"
INBOUND = (Message, CallbackButton, CallbackSelection)
# Maximum time until a webhook arrives. The simulator sends statuses within two seconds.
DEADLINE_SECONDS = 15


class Receiver:
    """An HTTP server on loopback that passes webhooks to the client and stores the decoded updates."""

    def __init__(self) -> None:
        self.client: pywa.WhatsApp | None = None
        self.updates: queue.Queue = queue.Queue()
        self.refused: list[tuple[str, int]] = []
        self.last_request: tuple[bytes, str | None] | None = None
        self._seen: list = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
                token = query.get("hub.verify_token", [None])[0]
                challenge = query.get("hub.challenge", [None])[0]
                self._answer(*receiver.client.webhook_challenge_handler(vt=token, ch=challenge))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                signature = self.headers.get("X-Hub-Signature-256")
                receiver.last_request = (body, signature)
                refusal = receiver.client.webhook_update_validator(body, signature)
                if refusal:
                    receiver.refused.append(refusal)
                    self._answer(*refusal)
                    return
                self._answer(*receiver.client.webhook_update_handler(body))

            def _answer(self, text: str, status: int) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def n_seen(self) -> int:
        """Returns the number of updates until now."""
        return len(self._seen)

    def wait_for(self, what: str, is_it, after: int = 0):
        """Waits for the first update that `is_it` accepts, without the first `after` updates, and returns it."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            for update in self._seen[after:]:
                if is_it(update):
                    return update
            try:
                self._seen.append(self.updates.get(timeout=max(0.0, deadline - time.monotonic())))
            except queue.Empty:
                last = "\n".join(str(update)[:400] for update in self._seen[-6:])
                raise AssertionError(
                    f"no webhook with {what} within {DEADLINE_SECONDS} s; refused: {self.refused}; the last that came:\n{last}"
                ) from None


class Sandbox:
    """One account of the simulator, used with the public client."""

    def __init__(self) -> None:
        self.account = self.control("GET", "/accounts")[0]
        self.receiver = Receiver()
        # Proxies of the environment are ignored, because all servers run on this machine.
        self.session = httpx.Client(trust_env=False, timeout=10)
        self.client = pywa.WhatsApp(
            phone_id=self.account["phone_number_id"],
            token=self.account["access_token"],
            waba_id=self.account["waba_id"],
            app_secret=self.account["app_secret"],
            verify_token=VERIFY_TOKEN,
            session=self.session,
            api_version=VERSION,
        )
        self.session.base_url = f"{SIMULATOR}/v{VERSION}"
        self.receiver.client = self.client
        put = self.receiver.updates.put
        for handler in (
            handlers.MessageHandler,
            handlers.MessageStatusHandler,
            handlers.CallbackButtonHandler,
            handlers.CallbackSelectionHandler,
            handlers.RawUpdateHandler,
        ):
            self.client.add_handlers(handler(lambda _, update: put(update)))
        self.client.override_waba_callback_url(self.receiver.url, VERIFY_TOKEN)

    def close(self) -> None:
        self.receiver.close()
        self.session.close()

    def control(self, method: str, path: str, body: dict | None = None):
        """Calls the simulator's control API."""
        answer = httpx.request(method, f"{SIMULATOR}/_sim{path}", json=body, timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def customer_writes(self, number: str, message: dict, name: str = "Maya Osei"):
        """Sends an inbound message, and returns the update that the client decoded."""
        account = self.account["phone_number_id"]
        after = self.receiver.n_seen()
        self.control("POST", "/inbound", {"account": account, "from": number, "name": name, "message": message})
        wa_id = number.lstrip("+")
        return self.receiver.wait_for(
            f"an inbound message of {number}",
            lambda update: isinstance(update, INBOUND) and update.from_user.wa_id == wa_id,
            after,
        )

    def accepted(self, message_id: str) -> dict:
        """Returns the message with this id in the format that the simulator received."""
        return next(entry for entry in self.control("GET", "/messages") if message_id in json.dumps(entry))

    def status(self, message_id: str, status):
        """Waits for a status of a message and returns it."""
        return self.receiver.wait_for(
            f"status {status} of {message_id}",
            lambda update: isinstance(update, MessageStatus) and (update.status, update.id) == (status, message_id),
        )

    def failure(self, message_id: str) -> WhatsAppError:
        """Waits for the error of a failed message and returns it.

        Meta leaves the contacts out of a failed status, and the client cannot decode a status without: so this takes
        the client's raw update, and its own reading of the error.
        """

        def statuses(update) -> list[dict]:
            return update.value.get("statuses", []) if isinstance(update, RawUpdate) else []

        def is_it(status: dict) -> bool:
            return (status["id"], status["status"]) == (message_id, "failed")

        update = self.receiver.wait_for(
            f"a failure of {message_id}", lambda update: any(is_it(status) for status in statuses(update))
        )
        failed = next(status for status in statuses(update) if is_it(status))
        return WhatsAppError.from_dict(error=failed["errors"][0])
