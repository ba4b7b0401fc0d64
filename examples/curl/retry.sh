#!/bin/sh
# Sends a message exactly once, with retries. 429 and 5xx mean that nothing was sent, so the request is repeated. The
# Idempotency-Key makes the repetition safe even if the first answer was lost.
: "${WAYPOST_URL:=http://127.0.0.1:8080}" "${WAYPOST_KEY:=wp_test_sandbox_key_for_local_development_only}"

key="order-789-$(date +%s)-$$"
headers=$(mktemp)
answer=$(mktemp)
for attempt in 1 2 3 4 5; do
  status=$(curl --silent --output "$answer" --dump-header "$headers" --write-out '%{http_code}' \
    "$WAYPOST_URL/api/messages/send" \
    -H "X-API-Key: $WAYPOST_KEY" -H 'Content-Type: application/json' -H "Idempotency-Key: $key" \
    -d '{"to":"+15550100001","type":"text","text":"Order 789 is on its way"}')
  case $status in
    429 | 5?? | 000) ;;
    *) break ;;
  esac
  wait=$(sed -n 's/^[Rr]etry-[Aa]fter: *\([0-9]*\).*/\1/p' "$headers")
  sleep "${wait:-$attempt}"
done
cat "$answer"
rm "$headers" "$answer"

# {"status":"success","data":{"message_id":"wamid.HBgL…","status":"sent","id":"01a2…","to":"+15550100001", …}}
