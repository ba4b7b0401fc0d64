"""Receives webhooks and verifies their signatures with the library `standardwebhooks`. Ends after the first event."""

import http.server

import waypost
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

events = []
secret = ""


class Endpoint(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        try:
            events.append(Webhook(secret).verify(body, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(204)
        except WebhookVerificationError:
            self.send_response(401)
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
