//! Webhooks, and what is posted to them.

use crate::api::webhooks_out::deliveries::{read_deliveries, read_replay};
use crate::api::webhooks_out::endpoints::read_list;
use crate::api::webhooks_out::request::read_settings;
use domain::check::RequestSchema;
use domain::json::{Object, Value};
use domain::webhooks_out::delivery::{DeliveryStatus, WebhookStatus};
use engine::webhooks_out::endpoint::MAX_WEBHOOKS;
use jiff::Timestamp;

use crate::api::error::Code;
use crate::api::events::openapi::{any_kind, kind};
use crate::api::openapi::example::{DELIVERY, WEBHOOK};
use crate::api::openapi::operation::{JSON, Operation};
use crate::api::openapi::schema::{
    Field, Schema, boolean, id, integer, list, map, named, need, only, shown, text, time, word,
};
use crate::api::response::object;

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let id_of = "ID of the webhook.";
    let on = |operation: Operation| operation.id(id_of, WEBHOOK).fails([Code::WebhookNotFound]);
    vec![
        Operation::new("list_webhooks", "List webhooks", "Oldest first.")
            .reads_query(RequestSchema::of_query(read_list))
            .lists("webhooks", "Webhook", SHOWN),
        Operation::new(
            "create_webhook",
            "Create a webhook",
            "The response contains the secret with which you verify deliveries. It is shown only once.",
        )
        .reads(
            RequestSchema::of(|fields| read_settings(None, fields, None, true)),
            [("all", r#"{"name":"shop","url":"https://shop.example/hooks/whatsapp","events":["*"],"headers":{"X-Shop":"blue"}}"#)],
        )
        .gives(201, "The webhook.", named("WebhookWithSecret"), CREATED)
        .fails([Code::TooMany]),
        on(Operation::new("get_webhook", "Get a webhook", "")).gives(200, "The webhook.", named("Webhook"), SHOWN),
        on(Operation::new(
            "update_webhook",
            "Update a webhook",
            "Changes the given fields. `null` clears `accounts` and `headers`. A header with the value `***` \
             keeps its present value.",
        ))
        .reads(RequestSchema::of(|fields| read_settings(None, fields, None, false)), [("some", r#"{"events":["message.incoming","message.failed"],"enabled":true}"#)])
        .gives(200, "The webhook.", named("Webhook"), SHOWN),
        on(Operation::new("delete_webhook", "Delete a webhook", "")).gives_nothing("Deleted."),
        on(Operation::new("test_webhook", "Send a test event", "Sends an event to the endpoint and returns the \
             result of the delivery."))
            .takes_nothing()
            .gives(200, "The delivery.", named("Delivery"), DELIVERED),
        on(Operation::new(
            "rotate_webhook_secret",
            "Rotate the secret of a webhook",
            "The response contains the new secret. It is shown only once. For 24 hours, deliveries are signed \
             with both secrets.",
        ))
        .takes_nothing()
        .gives(200, "The webhook.", named("WebhookWithSecret"), CREATED),
        on(Operation::new("list_deliveries", "List deliveries", "Lists pending and completed deliveries, \
             newest first."))
            .reads_query(RequestSchema::of_query(read_deliveries))
            .lists("deliveries", "Delivery", DELIVERED),
        on(Operation::new(
            "replay_webhook",
            "Replay events",
            "Delivers the events since a time again, with the same `webhook-id`. Pending deliveries are not \
             delayed.",
        ))
        .reads(RequestSchema::of(|fields| read_replay(fields, Timestamp::UNIX_EPOCH)), [("since", r#"{"since":"2026-01-01T00:00:00Z"}"#)])
        .gives(
            202,
            "The replay has started.",
            shown([
                need("id", id()),
                need("webhook_id", id()),
                need("since", time()),
                need("events_since", integer(0..).about("Number of events of all kinds since that time.")),
            ]),
            r#"{"id":"01a2b3c4-0000-7000-8000-00000000000d","webhook_id":"01a2b3c4-0000-7000-8000-000000000007","since":"2026-01-01T00:00:00Z","events_since":12}"#,
        )
        .fails([Code::WebhookDisabled]),
        Operation::new("redeliver_delivery", "Redeliver an event", "Delivers the event again. Pending \
             deliveries are not delayed.")
            .id("ID of the delivery.", DELIVERY)
            .takes_nothing()
            .gives(202, "The new delivery.", named("Delivery"), PENDING)
            .fails([Code::DeliveryNotFound, Code::WebhookDisabled]),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut with_secret = fields();
    with_secret
        .push(need("secret", text(1..).about("Secret (`whsec_…`). It is shown only in this response.")));
    let delivery = shown([
        need("id", id()),
        need("webhook_id", id()),
        need("event_id", id().or_null().about("ID of the event. `null` if the event has been deleted.")),
        need("event", kind().or_null()),
        need(
            "redelivery",
            boolean().about("`true`: the delivery was requested with a replay or a redelivery."),
        ),
        need("attempt", integer(0..).about("Number of attempts.")),
        need("status", word(DeliveryStatus::ALL.map(DeliveryStatus::as_str))),
        need("http_status", integer(100..=999).or_null()),
        need("latency_ms", integer(0..).or_null()),
        need("response", text(..).or_null().about("First 2 kB of the response, or the error.")),
        need("at", time().or_null().about("Time of the last attempt.")),
        need("next_attempt_at", time().or_null()),
        need("created_at", time()),
    ]);
    vec![
        (
            "Webhook",
            shown(fields()).about(&format!("An endpoint of yours; a workspace has at most {MAX_WEBHOOKS}.")),
        ),
        ("WebhookWithSecret", shown(with_secret)),
        ("Delivery", delivery),
    ]
}

fn fields() -> Vec<Field> {
    vec![
        need("id", id()),
        need("name", text(1..)),
        need("url", text(1..)),
        need("events", list(any_kind(), 1..)),
        need("accounts", list(id(), 1..).or_null().about("`null`: all accounts.")),
        need("headers", map(only("***")).about("Names of the headers. Their values are hidden.")),
        need("enabled", boolean()),
        need("status", word(WebhookStatus::ALL.map(WebhookStatus::as_str))),
        need("status_reason", text(1..).or_null()),
        need("created_at", time()),
        need("updated_at", time()),
    ]
}

/// What we post to an endpoint: the `webhooks` of the document.
pub(crate) fn posted() -> Value {
    let header = |name: &str, about: &str, is_required: bool| {
        object([
            ("name", name.into()),
            ("in", "header".into()),
            ("required", is_required.into()),
            ("description", about.into()),
            ("schema", text(1..).into()),
        ])
    };
    let headers = vec![
        header(
            "webhook-id",
            "ID of the event. Store the IDs of processed events to detect duplicates.",
            true,
        ),
        header("webhook-timestamp", "Time of this attempt, in Unix seconds.", true),
        header(
            "webhook-signature",
            "`v1,<base64>` as in Standard Webhooks. During a rotation of the secret: two values, separated by \
             a space.",
            true,
        ),
        header(
            "X-Webhook-Signature",
            "Hexadecimal HMAC-SHA256 of the body. The key is the whole secret.",
            true,
        ),
        header(
            "X-Webhook-Signature-Previous",
            "The same with the previous secret, for 24 hours after a rotation.",
            false,
        ),
        header(
            "Waypost-Redelivery",
            "`true`: the delivery was requested with a replay or a redelivery.",
            false,
        ),
    ];
    let content = object([("schema", named("Event").into())]);
    let taken = object([("description", "Any 2xx within 15 seconds: the event is delivered.".into())]);
    let gone = object([("description", "Waypost disables the endpoint immediately.".into())]);
    let other = object([("description", "Waypost repeats the delivery later.".into())]);
    let post = object([
        ("operationId", "event".into()),
        ("summary", "Receive an event".into()),
        (
            "description",
            "Waypost sends events to your endpoint. Verify one of the two signatures over the received bytes \
             before you parse them. The events of one contact arrive in order. A delivery without a 2xx \
             response is repeated for 42 hours."
                .into(),
        ),
        ("tags", vec![Value::from("Webhooks")].into()),
        ("security", Vec::<Value>::new().into()),
        ("parameters", headers.into()),
        ("requestBody", object([("required", true.into()), ("content", object([(JSON, content)]))])),
        ("responses", object([("2XX", taken), ("410", gone), ("default", other)])),
    ]);
    let mut webhooks = Object::new();
    webhooks.insert("event", object([("post", post)]));
    Value::Object(webhooks)
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000007","name":"shop","url":"https://shop.example/hooks/whatsapp",
    "events":["*"],"accounts":null,"headers":{"X-Shop":"***"},"enabled":true,"status":"active","status_reason":null,
    "created_at":"2026-05-29T10:30:00Z","updated_at":"2026-05-29T10:30:00Z"}"#;

const CREATED: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000007","name":"shop","url":"https://shop.example/hooks/whatsapp",
    "events":["*"],"accounts":null,"headers":{"X-Shop":"***"},"enabled":true,"status":"active","status_reason":null,
    "created_at":"2026-05-29T10:30:00Z","updated_at":"2026-05-29T10:30:00Z","secret":"whsec_…"}"#;

const DELIVERED: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000008","webhook_id":"01a2b3c4-0000-7000-8000-000000000007",
    "event_id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","redelivery":false,"attempt":1,
    "status":"succeeded","http_status":200,"latency_ms":41,"response":"ok","at":"2026-05-29T10:30:02Z",
    "next_attempt_at":null,"created_at":"2026-05-29T10:30:01Z"}"#;

const PENDING: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000008","webhook_id":"01a2b3c4-0000-7000-8000-000000000007",
    "event_id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","redelivery":true,"attempt":0,
    "status":"pending","http_status":null,"latency_ms":null,"response":null,"at":null,
    "next_attempt_at":"2026-05-29T10:30:01Z","created_at":"2026-05-29T10:30:01Z"}"#;
