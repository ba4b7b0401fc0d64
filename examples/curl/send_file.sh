#!/bin/sh
# Uploads a file and sends it.
: "${WAYPOST_URL:=http://127.0.0.1:8080}" "${WAYPOST_KEY:=wp_test_sandbox_key_for_local_development_only}"

file=$(mktemp)
printf 'Two blue cups: 12 EUR\n' > "$file"
uploaded=$(curl --silent --show-error "$WAYPOST_URL/api/media" \
  -H "X-API-Key: $WAYPOST_KEY" -F "file=@$file;filename=invoice.txt;type=text/plain")
rm "$file"
# {"status":"success","data":{"id":"01a2…","mime_type":"text/plain","size":22,"sha256":"…", …}}
id=$(printf '%s' "$uploaded" | sed 's/.*"id":"\([^"]*\)".*/\1/')

curl --silent --show-error "$WAYPOST_URL/api/messages/send" \
  -H "X-API-Key: $WAYPOST_KEY" -H 'Content-Type: application/json' \
  -d '{"to":"+15550100001","type":"document","document":{"id":"'"$id"'","filename":"invoice.txt"}}'

# {"status":"success","data":{"message_id":"wamid.HBgL…","status":"sent","id":"01a2…","to":"+15550100001", …}}
