"""Sends a message with the retries of `waypost.send`. The simulator refuses the first two attempts."""

import waypost

# The simulator refuses a message to this number twice with Meta's code 130429, then accepts it.
sent = waypost.send(
    {"to": "+15550100429", "type": "template", "template": {"name": "hello_world", "language": "en_US"}}
)
print(sent["status"], sent["message_id"])

# sent wamid.HBgL…
