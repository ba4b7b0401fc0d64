#!/bin/sh
# Streams the events from now on. Ends after 60 seconds, or with Ctrl-C.
: "${WAYPOST_URL:=http://127.0.0.1:8080}" "${WAYPOST_KEY:=wp_test_sandbox_key_for_local_development_only}"

curl --silent --show-error --no-buffer --max-time 60 "$WAYPOST_URL/api/events/stream?after=latest" \
  -H "X-API-Key: $WAYPOST_KEY"

# : the events of this workspace
# retry: 1000
#
# id: 01a2…
# event: message.sent
# data: {"id":"01a2…","event":"message.sent","sequence":12,"timestamp":"…","data":{"status":"sent","to":"+15550100001", …}}
