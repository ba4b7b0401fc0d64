//! JSON of webhook endpoints and deliveries in responses.

use crate::api::events::kinds::kind_schema;
use crate::api::events::kinds::stored_selection_schema;
use crate::api::openapi::schema::Property;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::json::{Object, Value};
use domain::webhooks_out::delivery::DeliveryStatus;
use domain::webhooks_out::delivery::WebhookOrdering;
use domain::webhooks_out::delivery::WebhookStatus;
use engine::ports::{StoredDelivery, WebhookEndpoint};
use engine::webhooks_out::endpoint::MAX_WEBHOOKS;
use secrecy::ExposeSecret;

use crate::api::response::object;
use crate::api::serialize::{time, time_or_null};

/// Text that responses contain instead of the value of a header, which may be a secret.
pub(crate) const HIDDEN: &str = "***";

/// JSON of an endpoint.
pub(crate) fn serialize_webhook(record: &WebhookEndpoint) -> Value {
    Value::Object(webhook_object(record))
}

/// JSON of an endpoint with its secret.
pub(crate) fn serialize_webhook_with_secret(record: &WebhookEndpoint) -> Value {
    let mut json = webhook_object(record);
    json.insert("secret", record.secret.expose_secret());
    Value::Object(json)
}

fn webhook_object(record: &WebhookEndpoint) -> Object {
    let events: Vec<Value> = record.events.patterns().iter().map(|pattern| pattern.as_str().into()).collect();
    let accounts: Vec<Value> = record.accounts.iter().map(|account| account.to_string().into()).collect();
    let headers: Object =
        record.headers.iter().map(|(name, _)| (name.clone(), Value::from(HIDDEN))).collect();
    let mut json = Object::new();
    json.insert("id", record.id.to_string());
    json.insert("name", record.name.as_str());
    json.insert("url", record.url.as_str());
    json.insert("events", events);
    json.insert("accounts", if accounts.is_empty() { Value::Null } else { accounts.into() });
    json.insert("headers", headers);
    json.insert("ordering", record.ordering.as_str());
    json.insert("enabled", record.is_enabled && record.status != WebhookStatus::Disabled);
    json.insert("status", record.shown_status().as_str());
    json.insert("status_reason", record.status_reason.clone().map_or(Value::Null, Value::from));
    json.insert("created_at", time(record.created_at));
    json.insert("updated_at", time(record.updated_at));
    json
}

/// JSON of a delivery.
pub(crate) fn serialize_delivery(delivery: StoredDelivery) -> Value {
    let number = |number: Option<i64>| number.map_or(Value::Null, Value::from);
    let event = delivery.event.as_ref();
    object([
        ("id", delivery.id.to_string().into()),
        ("webhook_id", delivery.webhook.to_string().into()),
        ("event_id", event.map_or(Value::Null, |event| event.id.to_string().into())),
        ("event", event.map_or(Value::Null, |event| event.kind.as_str().into())),
        ("redelivery", delivery.is_redelivery.into()),
        ("attempt", i64::from(delivery.n_attempts).into()),
        ("status", delivery.status.as_str().into()),
        ("http_status", number(delivery.http_status.map(i64::from))),
        ("latency_ms", number(delivery.latency_ms.map(i64::from))),
        ("response", delivery.response.map_or(Value::Null, Value::from)),
        ("reason", delivery.reason.map_or(Value::Null, Value::from)),
        ("at", time_or_null(delivery.at)),
        ("next_attempt_at", time_or_null(delivery.next_attempt_at)),
        ("created_at", time(delivery.created_at)),
    ])
}

/// Returns the named schemas of webhooks.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut serialize_webhook_with_secret = webhook_properties();
    serialize_webhook_with_secret.push(required(
        "secret",
        Schema::string(1..).about("Secret (`whsec_…`). Only this response contains the secret."),
    ));
    let delivery = Schema::object([
        required("id", Schema::uuid()),
        required("webhook_id", Schema::uuid()),
        required(
            "event_id",
            Schema::uuid().or_null().about("ID of the event. `null` if the event has been deleted."),
        ),
        required("event", kind_schema().or_null()),
        required(
            "redelivery",
            Schema::boolean().about("`true`: the delivery was requested with a replay or a redelivery."),
        ),
        required("attempt", Schema::integer(0..).about("Number of attempts.")),
        required("status", Schema::enumeration(DeliveryStatus::ALL.map(DeliveryStatus::as_str))),
        required("http_status", Schema::integer(100..=999).or_null()),
        required("latency_ms", Schema::integer(0..).or_null()),
        required("response", Schema::string(..).or_null().about("First 2 kB of the response, or the error.")),
        required(
            "reason",
            Schema::string(1..).or_null().about(
                "Why the last attempt failed, such as `HTTP 403 Forbidden`, or why there is no further attempt, such as \
                 `skipped`.",
            ),
        ),
        required("at", Schema::time().or_null().about("Time of the last attempt.")),
        required("next_attempt_at", Schema::time().or_null()),
        required("created_at", Schema::time()),
    ]);
    vec![
        (
            "Webhook",
            Schema::object(webhook_properties())
                .about(&format!("An endpoint of your application. A workspace has at most {MAX_WEBHOOKS}.")),
        ),
        ("WebhookWithSecret", Schema::object(serialize_webhook_with_secret)),
        ("Delivery", delivery),
    ]
}

fn webhook_properties() -> Vec<Property> {
    vec![
        required("id", Schema::uuid()),
        required("name", Schema::string(1..)),
        required("url", Schema::string(1..)),
        required("events", stored_selection_schema()),
        required("accounts", Schema::array(Schema::uuid(), 1..).or_null().about("`null`: all accounts.")),
        required(
            "headers",
            Schema::map(Schema::constant("***")).about("Names of the headers. Their values are hidden."),
        ),
        required("ordering", Schema::enumeration(WebhookOrdering::ALL.map(WebhookOrdering::as_str))),
        required("enabled", Schema::boolean()),
        required("status", Schema::enumeration(WebhookStatus::ALL.map(WebhookStatus::as_str))),
        required(
            "status_reason",
            Schema::string(1..).or_null().about("Why the webhook is `failing` or `disabled`, in words."),
        ),
        required("created_at", Schema::time()),
        required("updated_at", Schema::time()),
    ]
}

pub(crate) const WEBHOOK_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000007","name":"shop","url":"https://shop.example/hooks/whatsapp",
    "events":["*"],"accounts":null,"headers":{"X-Shop":"***"},"ordering":"best_effort","enabled":true,"status":"active","status_reason":null,
    "created_at":"2026-05-29T10:30:00.000Z","updated_at":"2026-05-29T10:30:00.000Z"}"#;

pub(crate) const CREATED_WEBHOOK_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000007","name":"shop","url":"https://shop.example/hooks/whatsapp",
    "events":["*"],"accounts":null,"headers":{"X-Shop":"***"},"ordering":"best_effort","enabled":true,"status":"active","status_reason":null,
    "created_at":"2026-05-29T10:30:00.000Z","updated_at":"2026-05-29T10:30:00.000Z","secret":"whsec_…"}"#;

pub(crate) const DELIVERY_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000008","webhook_id":"01a2b3c4-0000-7000-8000-000000000007",
    "event_id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","redelivery":false,"attempt":1,
    "status":"succeeded","http_status":200,"latency_ms":41,"response":"ok","reason":null,"at":"2026-05-29T10:30:02.000Z",
    "next_attempt_at":null,"created_at":"2026-05-29T10:30:01.000Z"}"#;

pub(crate) const PENDING_DELIVERY_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000008","webhook_id":"01a2b3c4-0000-7000-8000-000000000007",
    "event_id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","redelivery":true,"attempt":0,
    "status":"pending","http_status":null,"latency_ms":null,"response":null,"reason":null,"at":null,
    "next_attempt_at":"2026-05-29T10:30:01.000Z","created_at":"2026-05-29T10:30:01.000Z"}"#;

pub(crate) const SKIPPED_DELIVERY_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000008","webhook_id":"01a2b3c4-0000-7000-8000-000000000007",
    "event_id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","redelivery":false,"attempt":3,
    "status":"dead","http_status":403,"latency_ms":41,"response":"no","reason":"skipped","at":"2026-05-29T10:30:02.000Z",
    "next_attempt_at":null,"created_at":"2026-05-29T10:30:01.000Z"}"#;
