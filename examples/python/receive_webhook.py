"""Receives webhooks and verifies them, with the standard library alone. Ends after the first event."""

import base64
import hashlib
import hmac
import http.server
import json
import time

import waypost

seen = []
secret = ""


def is_ours(body: bytes, headers) -> bool:
    """Whether Waypost signed these bytes within the last five minutes (Standard Webhooks)."""
    stamp = headers.get("webhook-timestamp", "")
    if not stamp.isdigit() or abs(time.time() - int(stamp)) > 300:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{headers['webhook-id']}.{stamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(given, wanted) for given in headers.get("webhook-signature", "").split())


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        good = is_ours(body, self.headers)
        if good:
            seen.append(json.loads(body))
        # Answer at once, work later: what is not answered within 15 seconds comes again.
        self.send_response(204 if good else 401)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


server = http.server.HTTPServer(("127.0.0.1", 0), Endpoint)
wish = {"name": "example", "url": f"http://127.0.0.1:{server.server_port}/", "events": ["message.sent"]}
webhook = waypost.call("POST", "/api/webhooks", wish)
secret = webhook["secret"]

waypost.call("POST", "/api/messages/send", {"to": "+15550100001", "type": "text", "text": "Tell me"})
while not seen:
    server.handle_request()
print("verified", seen[0]["event"], seen[0]["data"]["to"])
waypost.call("PUT", f"/api/webhooks/{webhook['id']}", {"enabled": False})

# verified message.sent +15550100001
