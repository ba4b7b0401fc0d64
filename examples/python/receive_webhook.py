"""Receives webhooks and verifies their signatures, with the standard library only. Ends after the first event."""

import base64
import hashlib
import hmac
import http.server
import json
import time

import waypost

events = []
secret = ""


def is_valid(body: bytes, headers) -> bool:
    """Returns True if Waypost signed these bytes within the last five minutes (Standard Webhooks)."""
    timestamp = headers.get("webhook-timestamp", "")
    if not timestamp.isdigit() or abs(time.time() - int(timestamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{timestamp}.".encode() + body
    expected = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(given, expected) for given in headers.get("webhook-signature", "").split())


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_authentic = is_valid(body, self.headers)
        if is_authentic:
            events.append(json.loads(body))
        # Answer first, process later: an event that is not answered within 15 seconds is delivered again.
        self.send_response(204 if is_authentic else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Endpoint)
endpoint = {"name": "example", "url": f"http://127.0.0.1:{server.server_port}/", "events": ["message.sent"]}
webhook = waypost.call("POST", "/api/webhooks", endpoint)
secret = webhook["secret"]

waypost.call("POST", "/api/messages/send", {"to": "+15550100001", "type": "text", "text": "Hello"})
while not events:
    server.handle_request()
print("verified", events[0]["event"], events[0]["data"]["to"])
waypost.call("PUT", f"/api/webhooks/{webhook['id']}", {"enabled": False})

# verified message.sent +15550100001
