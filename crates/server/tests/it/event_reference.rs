//! `docs/events.md`, printed from the code: each kind of event with an example that a scenario produces.

use std::collections::BTreeMap;
use std::fmt::Write;

use domain::events::EventKind;
use engine::ports::{EventFilter, EventStart};
use serde_json::{Value, json};

use crate::support::{CUSTOMER, NEW_RECIPIENT, TestApp};

const HEAD: &str = "\
# Events

Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --test it event_reference -- --test-threads=1`.

Each step of each message is an event, and so is each change of a contact, a template, an account or a webhook endpoint.
Waypost writes an event in the same transaction as the change that it reports, so that neither exists without the other.
There are three ways to receive events; all three deliver the same JSON.

- **Webhooks**: `POST /api/webhooks` with `name`, `url` and `events` (`[\"*\"]` is every event). The answer contains the secret,
  which is shown only once. [Webhooks](webhooks.md) is a tutorial.
- **Polling**: `GET /api/events?after=<id>&wait=30` returns the events after a position, and waits for up to 30 seconds if there
  are none. `next_cursor` is the position for the next call. Without `after` the list begins with the oldest stored event;
  `after=latest` begins with the next one. The filters are `events=message.*,-message.read` and `account=<id or name>`;
  `per_page` is at most 200.
- **Streaming**: `GET /api/events/stream` with `after`, `events` and `account` sends Server-Sent Events. A client that reconnects
  with `Last-Event-ID` misses no event and receives none twice.

An API key or a user can have 16 streams and long polls at the same time, a workspace 256, the gateway 1,024. One more is
refused with 429 and `Retry-After`.

Events are stored for `retention.events_days`. If a reader's position is older, the list begins with the oldest stored event
and reports that events are missing: `\"gap\": true` in the answer, an event named `gap` in the stream.

`events` is a list of patterns: `*` is every event, `message.*` is every event of a subject, `message.read` is one event. A
pattern with a leading `-` excludes events: `[\"*\", \"-message.read\"]`. An event is selected if a pattern includes it and no
pattern excludes it, in any order. Events of later versions are selected by the same patterns. A pattern that matches no event,
and a list that only excludes events, is refused.

Times have one form: RFC 3339 in UTC with three decimals. `timestamp` is the time at which Waypost wrote the event, `at` in the
data is the time of the change; Meta reports `at` in whole seconds.

The `id` of an event is its position in the order of commits. It is the same in every delivery of the event: store the ids
that you have processed, and ignore an event that arrives again. `sequence` is the same position as an integer. It ascends
for each contact, with gaps: a receiver orders by it. The body of an event has the same bytes in each delivery.

## Deliveries to an endpoint

A delivery is a POST with the event as its body and two signatures. Any 2xx within 15 seconds is a success.

| header | value |
|---|---|
| `webhook-id` | the `id` of the event |
| `webhook-timestamp` | time of this attempt, in Unix seconds |
| `webhook-signature` | `v1,<base64>`: HMAC-SHA256 of `<id>.<timestamp>.<body>`; the key is the base64-decoded part of the secret after `whsec_` ([Standard Webhooks](https://www.standardwebhooks.com)). For 24 hours after a rotation there are two signatures, separated by a space. |
| `X-Webhook-Signature` | hexadecimal HMAC-SHA256 of the body; the key is the whole secret |
| `X-Webhook-Signature-Previous` | the same with the former secret, for 24 hours after a rotation |
| `Waypost-Redelivery` | `true` if the event was requested again |

Verify one of the two signatures over the received bytes, before you parse them.

Events of one contact are delivered in order: Waypost sends the next one after the endpoint has accepted the one before.
If the endpoint does not accept an event, its `ordering` decides about the later events of the contact. `best_effort`
(default): after the second failed attempt they pass the event, and its retries go on beside them. `strict`: they wait until
the event is accepted, is a dead letter, or is skipped with `POST /api/deliveries/{id}/skip`.
Failed attempts are repeated after 10 s, 1 min, 5 min, 30 min, 2 h, 5 h, 10 h and 24 h (±20 %), or after `Retry-After` if it is
longer. 42 hours after its creation, an event that was not accepted becomes a dead letter: it is listed in
`GET /api/webhooks/{id}/deliveries`. `POST /api/deliveries/{id}/redeliver` and `POST /api/webhooks/{id}/replay` with
`{\"since\":\"…\"}` deliver events again, without waiting for the queue.

`POST /api/webhooks/{id}/test` with `{\"event\":\"message.incoming\"}` sends an example of an event to one endpoint, also if the
endpoint has not subscribed to it. The body of an example has `\"test\": true`: the message and the contact in it do not exist.
No other endpoint receives an example, and `GET /api/events` does not list it.

An endpoint is `failing` after three failed attempts in a row; `status_reason` says why, in words. It is `disabled` after an answer of 410, or after five days
without a success: Waypost then creates no deliveries for it until it is enabled again, and sends `webhook.disabled` to the
other endpoints. An endpoint that was paused with `\"enabled\": false` receives the waiting events when it is enabled again.

## The kinds

";

/// Returns a webhook payload with a status of an outbound message.
fn status_payload(app: &TestApp, wamid: &str, status: &str) -> String {
    let metadata =
        json!({"display_phone_number": "15550100100", "phone_number_id": app.seeded.phone_number_id});
    let status =
        json!({"id": wamid, "status": status, "timestamp": "1767225700", "recipient_id": "15550100001"});
    let value = json!({"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]});
    let change = json!({"field": "messages", "value": value});
    json!({"object": "whatsapp_business_account", "entry": [{"id": app.seeded.waba_id, "changes": [change]}]})
        .to_string()
}

/// Causes at least one event of each kind.
async fn scenario(app: &TestApp) {
    let new_webhook = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"]});
    let created = app.post("/api/webhooks", &new_webhook).await.expect(201);
    app.post(&format!("/api/webhooks/{}/test", created.data()["id"].as_str().unwrap()), &json!({}))
        .await
        .expect(200);
    let text = json!({"to": CUSTOMER, "type": "text", "text": "Your order is ready.", "client_reference": "order 7"});
    let sent = app.send(text.clone()).await.expect(200);
    app.step().await;
    let wamid = sent.data()["message_id"].as_str().unwrap();
    app.post_signed(&app.seeded.app_secret, status_payload(app, wamid, "played")).await.expect(200);
    app.customer_writes(NEW_RECIPIENT, "Are you open today?").await;
    let template = |to: &str| json!({"to": to, "type": "template", "template": {"name": "hello_world", "language": "en_US"}});
    app.send(template("+15550101026")).await.expect(200);
    app.send(template("+15550100505")).await.expect(202);
    app.step().await;
    let queued = |extra: Value| {
        let mut body = text.clone();
        body.as_object_mut().unwrap().extend([("mode".to_owned(), json!("queue"))]);
        body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        body
    };
    let canceled = app.send(queued(json!({}))).await.expect(202);
    let id = canceled.data()["id"].as_str().unwrap();
    app.post(&format!("/api/messages/{id}/cancel"), &json!({})).await.expect(200);
    app.send(queued(json!({"valid_for": 60}))).await.expect(202);
    app.advance(61);
    engine::background::tick_recovery(&app.deps).await.unwrap();
    app.post("/api/templates/sync", &json!({})).await.expect(200);
    let paused = json!({"event": "PAUSED", "message_template_id": 1, "message_template_name": "hello_world",
        "message_template_language": "en_US", "reason": "NONE"});
    let change = json!({"field": "message_template_status_update", "value": paused});
    let body = json!({"object": "whatsapp_business_account", "entry": [{"id": app.seeded.waba_id, "changes": [change]}]});
    app.post_signed(&app.seeded.app_secret, body.to_string()).await.expect(200);
    app.send(json!({"to": "+15550100190", "type": "template", "template": {"name": "order_confirmation", "language": "en",
        "components": [{"type": "body", "parameters": [{"type": "text", "text": "Ann"}, {"type": "text", "text": "7"}]}]}}))
        .await
        .expect(503);
    app.receiver.respond_with("https://shop.example.com/hook", 410);
    app.deliver_events().await;
}

#[tokio::test]
async fn the_committed_events_page_is_up_to_date() {
    let app = TestApp::new().await;
    scenario(&app).await;
    let page =
        app.deps.events.list_events(app.workspace, &EventFilter::default(), EventStart::Oldest, 1_000).await;
    let mut examples = BTreeMap::new();
    for event in page.unwrap().unwrap().events {
        // `domain::json` keeps the order of the members.
        let body: domain::json::Value = serde_json::from_str(&event.body()).unwrap();
        examples.entry(event.kind).or_insert(body);
    }
    // The event log does not list the event of a test.
    let test =
        app.receiver.received().into_iter().find(|received| received.kind() == "webhook.test").unwrap();
    examples.insert(EventKind::WebhookTest, serde_json::from_str(&test.text).unwrap());
    let mut text = HEAD.to_owned();
    for kind in EventKind::ALL {
        let about = kind.description().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        writeln!(text, "### `{kind}`\n\n{about}\n").unwrap();
        match examples.get(&kind) {
            Some(example) => {
                writeln!(text, "```json\n{}\n```\n", serde_json::to_string_pretty(example).unwrap()).unwrap()
            }
            None => panic!("the scenario produces no {kind}"),
        }
    }
    expect_test::expect_file!["../../../../docs/events.md"].assert_eq(&format!("{}\n", text.trim_end()));
}
