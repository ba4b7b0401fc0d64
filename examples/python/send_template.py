"""Sends a template: the way to write to somebody first."""

import waypost

words = [{"type": "text", "text": "John"}, {"type": "text", "text": "ORD-789"}]
template = {
    "name": "order_confirmation",
    "language": "en",
    "components": [{"type": "body", "parameters": words}],
}
sent = waypost.call(
    "POST", "/api/messages/send", {"to": "+447700900123", "type": "template", "template": template}
)
print(sent["status"], sent["message_id"])

# sent wamid.HBgM…
