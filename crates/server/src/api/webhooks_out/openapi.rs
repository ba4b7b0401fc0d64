//! Webhooks, and what is posted to them.

use domain::events::EventKind;
use domain::json::{Object, Value};
use domain::webhooks_out::delivery::{DeliveryStatus, WebhookStatus};
use domain::webhooks_out::header::{MAX_HEADERS, MAX_VALUE_BYTES};
use engine::webhooks_out::endpoint::MAX_WEBHOOKS;

use crate::api::error::Code;
use crate::api::events::openapi::{any_kind, kind};
use crate::api::openapi::example::{DELIVERY, WEBHOOK};
use crate::api::openapi::operation::{JSON, Operation};
use crate::api::openapi::schema::{
    Field, Schema, body, boolean, format, id, integer, keep, list, map, may, named, need, only, pattern,
    shown, text, time, word,
};
use crate::api::response::object;
use crate::api::webhooks_out::request::{MAX_ACCOUNTS, MAX_NAME};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let id_of = "The id of the webhook.";
    let on = |operation: Operation| operation.id(id_of, WEBHOOK).fails([Code::WebhookNotFound]);
    vec![
        Operation::new("list_webhooks", "List webhooks", "Oldest first.")
            .search("A part of the name or the URL.", 200)
            .lists("webhooks", "Webhook", SHOWN),
        Operation::new(
            "create_webhook",
            "Make a webhook",
            "Its secret is shown this once: with it you verify what is posted.",
        )
        .takes(
            choice(true),
            [("all", r#"{"name":"shop","url":"https://shop.example/hooks/whatsapp","events":["*"],"headers":{"X-Shop":"blue"}}"#)],
        )
        .gives(201, "The webhook.", named("WebhookWithSecret"), CREATED)
        .fails([Code::TooMany]),
        on(Operation::new("get_webhook", "Read a webhook", "")).gives(200, "The webhook.", named("Webhook"), SHOWN),
        on(Operation::new(
            "update_webhook",
            "Change a webhook",
            "Changes what is given; `null` clears `accounts` and `headers`. The value of a header may be sent back as it \
             is shown, `***`: it stays what it was.",
        ))
        .takes(choice(false), [("some", r#"{"events":["message.incoming","message.failed"],"enabled":true}"#)])
        .gives(200, "The webhook.", named("Webhook"), SHOWN),
        on(Operation::new("delete_webhook", "Remove a webhook", "")).gives_nothing("It is removed."),
        on(Operation::new("test_webhook", "Post a test event", "Answers with how that went."))
            .takes_nothing()
            .gives(200, "The delivery.", named("Delivery"), DELIVERED),
        on(Operation::new(
            "rotate_webhook_secret",
            "Give a webhook a new secret",
            "It is shown this once. For 24 hours the old one signs, too.",
        ))
        .takes_nothing()
        .gives(200, "The webhook.", named("WebhookWithSecret"), CREATED),
        on(Operation::new("list_deliveries", "List deliveries", "What is on its way, and what has been; newest first."))
            .query("status", "How it went.", word(DeliveryStatus::ALL.map(DeliveryStatus::as_str)))
            .lists("deliveries", "Delivery", DELIVERED),
        on(Operation::new(
            "replay_webhook",
            "Post the events since a time again",
            "Beside what is on its way, with the same `webhook-id`.",
        ))
        .takes(body([need("since", time().about("Not in the future."))]), [("since", r#"{"since":"2026-01-01T00:00:00Z"}"#)])
        .gives(
            202,
            "They are on their way.",
            shown([
                need("id", id()),
                need("webhook_id", id()),
                need("since", time()),
                need("events_since", integer(0..).about("How many there are since then, of any kind.")),
            ]),
            r#"{"id":"01a2b3c4-0000-7000-8000-00000000000d","webhook_id":"01a2b3c4-0000-7000-8000-000000000007","since":"2026-01-01T00:00:00Z","events_since":12}"#,
        )
        .fails([Code::WebhookDisabled]),
        Operation::new("redeliver_delivery", "Post an event again", "Beside what is on its way.")
            .id("The id of the delivery.", DELIVERY)
            .takes_nothing()
            .gives(202, "The new delivery.", named("Delivery"), PENDING)
            .fails([Code::DeliveryNotFound, Code::WebhookDisabled]),
    ]
}

/// The body of a create, where three fields are required, and of a change, which cannot clear them.
fn choice(is_new: bool) -> Schema {
    let field = if is_new { need } else { keep };
    let value =
        pattern("^[!-~]([ -~]*[!-~])?$").set("maxLength", i64::try_from(MAX_VALUE_BYTES).unwrap_or(i64::MAX));
    let headers = map(value)
        .set("maxProperties", i64::try_from(MAX_HEADERS).unwrap_or(i64::MAX))
        .set("propertyNames", pattern("^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$"));
    body([
        field("name", text(1..=MAX_NAME)),
        field("url", format("uri").about("Must be `https`, at an address that anybody can reach.")),
        field("events", list(any_kind(), 1..=EventKind::ALL.len()).about("`*` is all of them.")),
        may(
            "accounts",
            list(text(1..), 1..=MAX_ACCOUNTS).about(
                "Ids or names: only events of these; null is all. A key that is for certain accounts must name some of them.",
            ),
        ),
        may("headers", headers.about("Further headers of each post. Their values are not shown again.")),
        may("enabled", boolean().about("`false`: what is to be posted waits.")),
    ])
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut with_secret = fields();
    with_secret.push(need("secret", text(1..).about("`whsec_…`; shown this once.")));
    let delivery = shown([
        need("id", id()),
        need("webhook_id", id()),
        need("event_id", id().or_null().about("The event; null when it is no longer kept.")),
        need("event", kind().or_null()),
        need("redelivery", boolean().about("Whether somebody asked for it again.")),
        need("attempt", integer(0..).about("How many there were.")),
        need("status", word(DeliveryStatus::ALL.map(DeliveryStatus::as_str))),
        need("http_status", integer(100..=999).or_null()),
        need("latency_ms", integer(0..).or_null()),
        need("response", text(..).or_null().about("The first 2 kB of the answer, or what went wrong.")),
        need("at", time().or_null().about("The last attempt.")),
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
        need("accounts", list(id(), 1..).or_null().about("Null: all.")),
        need("headers", map(only("***")).about("Their values are hidden.")),
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
            "The event's id: keep those that you have dealt with, drop what comes twice.",
            true,
        ),
        header("webhook-timestamp", "When this attempt was made, in Unix seconds.", true),
        header(
            "webhook-signature",
            "`v1,<base64>` as in Standard Webhooks; during a rotation two, parted by a space.",
            true,
        ),
        header("X-Webhook-Signature", "Hex HMAC-SHA256 of the body; the key is the whole secret.", true),
        header(
            "X-Webhook-Signature-Previous",
            "The same with the secret before, for a day after a rotation.",
            false,
        ),
        header("Waypost-Redelivery", "`true` when somebody asked for the event again.", false),
    ];
    let content = object([("schema", named("Event").into())]);
    let taken = object([("description", "Any 2xx within 15 seconds: you have it.".into())]);
    let gone = object([("description", "The endpoint is disabled at once.".into())]);
    let other = object([("description", "It is posted again later.".into())]);
    let post = object([
        ("operationId", "event".into()),
        ("summary", "An event is posted to your endpoint".into()),
        (
            "description",
            "Verify one of the two signatures over the bytes that came, before you parse them. Events of one person come \
             in order; what you do not take is posted again for 42 hours."
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
