"""Follows events by long polling: a call waits until there is an event. Ends when a message was delivered."""

import waypost

# Starts with the next event. An application stores `next_cursor` with its own data, so that a restart skips nothing.
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
