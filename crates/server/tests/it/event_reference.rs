//! `docs/events.md`, printed from the code: each kind of event with one that really happened in a story told here.

use std::collections::BTreeMap;
use std::fmt::Write;

use domain::events::EventKind;
use engine::ports::{EventFilter, EventStart};
use serde_json::{Value, json};

use crate::support::{CUSTOMER, STRANGER, TestApp};

const HEAD: &str = "\
# Events

Printed from the code: `UPDATE_EXPECT=1 cargo test -p waypost --test it event_reference -- --test-threads=1`.

Each step of each message is one event, and so is what else an application may want to know. An event is written down in
the same transaction as the fact that it tells, so that neither is there without the other. There are three ways to hear
of events, and all three give the same bytes.

- **Webhooks**: `POST /api/webhooks` with `name`, `url` and `events` (`[\"*\"]` is all of them). The answer holds the secret,
  once.
- **Asking**: `GET /api/events?after=<id>&wait=30` answers with the events after one, at once or as soon as there are some.
  `next_cursor` is the place to go on from. Without `after` it begins with the oldest event that is kept; `after=latest`
  begins now. `events=message.sent,message.failed`, `account=<id or name>` and `per_page` (at most 200) narrow it.
- **Listening**: `GET /api/events/stream` with `after`, `events` and `account`, as Server-Sent Events. `Last-Event-ID` goes on where the
  last connection ended: no gap, no repeat.

Events are kept for `retention.events_days`. Who comes back later than that goes on with the oldest event that is kept, and
is told that some are missing: `\"gap\": true` in the answer, an event named `gap` in the stream.

The id of an event is its place in the order in which everything was committed. It stays the same however often the event
is posted: keep the ids that you have dealt with, and drop what comes twice.

## What an endpoint gets

A POST with the event as its body, signed twice. Any 2xx within 15 seconds means that you have it.

| header | what it holds |
|---|---|
| `webhook-id` | the event's id |
| `webhook-timestamp` | when this attempt was made, in Unix seconds |
| `webhook-signature` | `v1,<base64>`: HMAC-SHA256 of `<id>.<timestamp>.<body>` with what stands behind `whsec_`, decoded; see [Standard Webhooks](https://www.standardwebhooks.com). During a rotation there are two, parted by a space. |
| `X-Webhook-Signature` | hex HMAC-SHA256 of the body, the key is the whole secret as it was shown |
| `X-Webhook-Signature-Previous` | the same with the secret before, for a day after a rotation |
| `Waypost-Redelivery` | `true` when somebody asked for the event again |

Verify one of the two signatures over the bytes that came, before you parse them.

Events of one person come in order: the next is not posted before you have taken the one before it. What you do not take is
posted again after 10 s, 1 min, 5 min, 30 min, 2 h, 5 h, 10 h and 24 h, each a fifth longer or shorter; `Retry-After` is
honoured where it is longer. After 42 hours an event is a dead letter: it is in `GET /api/webhooks/{id}/deliveries`, and
`POST /api/deliveries/{id}/redeliver` or `POST /api/webhooks/{id}/replay` with `{\"since\":\"…\"}` posts it again, beside
what is on its way.

An endpoint is `failing` after three failed attempts in a row. It is `disabled` when it answers 410, or after five days
without a success: then nothing is posted or kept for it until it is enabled again, and `webhook.disabled` tells the others.
One that somebody has switched off with `\"enabled\": false` gets what waited once it is on again.

## The kinds

";

/// Meta's own words about a message of ours.
fn report(app: &TestApp, wamid: &str, status: &str) -> String {
    let metadata =
        json!({"display_phone_number": "15550100100", "phone_number_id": app.seeded.phone_number_id});
    let status =
        json!({"id": wamid, "status": status, "timestamp": "1767225700", "recipient_id": "15550100001"});
    let value = json!({"messaging_product": "whatsapp", "metadata": metadata, "statuses": [status]});
    let change = json!({"field": "messages", "value": value});
    json!({"object": "whatsapp_business_account", "entry": [{"id": app.seeded.waba_id, "changes": [change]}]})
        .to_string()
}

/// Something of everything that can happen.
async fn story(app: &TestApp) {
    let hook = json!({"name": "shop", "url": "https://shop.example.com/hook", "events": ["*"]});
    let made = app.post("/api/webhooks", &hook).await.expect(201);
    app.post(&format!("/api/webhooks/{}/test", made.data()["id"].as_str().unwrap()), &json!({}))
        .await
        .expect(200);
    let text = json!({"to": CUSTOMER, "type": "text", "text": "Your order is ready.", "client_reference": "order 7"});
    let sent = app.send(text.clone()).await.expect(200);
    app.step().await;
    let wamid = sent.data()["message_id"].as_str().unwrap();
    app.post_signed(&app.seeded.app_secret, report(app, wamid, "played")).await.expect(200);
    app.customer_writes(STRANGER, "Are you open today?").await;
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
    app.receiver.answer("https://shop.example.com/hook", 410);
    app.tick_hooks().await;
}

#[tokio::test]
async fn the_committed_events_page_is_up_to_date() {
    let app = TestApp::new().await;
    story(&app).await;
    let page = app.deps.hooks.events(app.workspace, &EventFilter::default(), EventStart::Oldest, 1_000).await;
    let mut examples = BTreeMap::new();
    for event in page.unwrap().unwrap().events {
        // With the members in their order.
        let body: domain::json::Value = serde_json::from_str(&event.body()).unwrap();
        examples.entry(event.kind).or_insert(body);
    }
    let mut text = HEAD.to_owned();
    for kind in EventKind::ALL {
        let about = kind.description().lines().map(str::trim).collect::<Vec<_>>().join(" ");
        writeln!(text, "### `{kind}`\n\n{about}\n").unwrap();
        match examples.get(kind) {
            Some(example) => {
                writeln!(text, "```json\n{}\n```\n", serde_json::to_string_pretty(example).unwrap()).unwrap()
            }
            None => {
                assert!(
                    matches!(kind, EventKind::CampaignCompleted | EventKind::TransferCreated),
                    "the story has no {kind}"
                );
                text.push_str("It can be subscribed to; nothing in this version causes it.\n\n");
            }
        }
    }
    expect_test::expect_file!["../../../../docs/events.md"].assert_eq(&format!("{}\n", text.trim_end()));
}
