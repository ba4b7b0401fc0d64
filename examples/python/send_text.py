"""Sends a text to a customer who has written in the last 24 hours."""

import waypost

sent = waypost.call("POST", "/api/messages/send", {"to": "+15550100001", "type": "text", "text": "Hello from Python"})
print(sent["status"], sent["message_id"])

# sent wamid.HBgL…
