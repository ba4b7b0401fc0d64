#!/bin/sh
# Sends a template to somebody who has not written in the last 24 hours.
: "${WAYPOST_URL:=http://127.0.0.1:8080}" "${WAYPOST_KEY:=wp_test_sandbox_key_for_local_development_only}"

curl --silent --show-error "$WAYPOST_URL/api/messages/send" \
  -H "X-API-Key: $WAYPOST_KEY" -H 'Content-Type: application/json' \
  -d '{"to":"+447700900123","type":"template","template":{"name":"order_confirmation","language":"en",
       "components":[{"type":"body","parameters":[{"type":"text","text":"John"},{"type":"text","text":"ORD-789"}]}]}}'

# {"status":"success","data":{"message_id":"wamid.HBgM…","status":"sent","id":"01a2…","to":"+447700900123", …}}
