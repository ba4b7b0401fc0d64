"""Sends with the loop of `waypost.send`: here WhatsApp is told to be busy twice before it takes the message."""

import waypost

# The sandbox's number ending in 0429 is refused twice with Meta's 130429, then accepted.
sent = waypost.send(
    {"to": "+15550100429", "type": "template", "template": {"name": "hello_world", "language": "en_US"}}
)
print(sent["status"], sent["message_id"])

# sent wamid.HBgL…
