"""Sends a template to somebody who has not written in the last 24 hours."""

import waypost

parameters = [{"type": "text", "text": "John"}, {"type": "text", "text": "ORD-789"}]
template = {
    "name": "order_confirmation",
    "language": "en",
    "components": [{"type": "body", "parameters": parameters}],
}
sent = waypost.call(
    "POST", "/api/messages/send", {"to": "+447700900123", "type": "template", "template": template}
)
print(sent["status"], sent["message_id"])

# sent wamid.HBgM…
