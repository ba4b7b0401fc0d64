"""Follows what happens by long polling: a call waits until there is something. Ends when a message was delivered."""

import waypost

# From now on. In an application, keep `next_cursor` beside what you did: after a restart there is no gap, no repeat.
position = waypost.call("GET", "/api/events?after=latest")["next_cursor"]
sent = waypost.call("POST", "/api/messages/send", {"to": "+15550100001", "type": "text", "text": "Follow me"})

is_delivered = False
while not is_delivered:
    after = f"after={position}&" if position else ""
    page = waypost.call("GET", f"/api/events?{after}wait=30&events=message.sent,message.delivered")
    position = page["next_cursor"]
    for event in page["events"]:
        if event["data"]["id"] == sent["id"]:
            print(event["event"], event["data"]["to"])
            is_delivered |= event["event"] == "message.delivered"

# message.sent +15550100001
# message.delivered +15550100001
