#!/bin/sh
# Sends a text to a customer who has written in the last 24 hours.
: "${WAYPOST_URL:=http://127.0.0.1:8080}" "${WAYPOST_KEY:=wp_test_sandbox_key_for_local_development_only}"

curl --silent --show-error "$WAYPOST_URL/api/messages/send" \
  -H "X-API-Key: $WAYPOST_KEY" -H 'Content-Type: application/json' \
  -d '{"to":"+15550100001","type":"text","text":"Hello from curl"}'

# {"status":"success","data":{"message_id":"wamid.HBgL…","status":"sent","id":"01a2…","to":"+15550100001", …}}
