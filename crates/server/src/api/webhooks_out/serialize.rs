//! JSON of webhook endpoints and deliveries in responses.

use domain::json::{Object, Value};
use domain::webhooks_out::delivery::WebhookStatus;
use engine::ports::{StoredDelivery, WebhookEndpoint};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::api::events::kinds::ALL_EVENTS;
use crate::api::response::object;

/// What stands for the value of a header: it may be a secret.
pub(crate) const HIDDEN: &str = "***";

pub(crate) fn show(record: &WebhookEndpoint) -> Value {
    Value::Object(shown(record))
}

pub(crate) fn with_secret(record: &WebhookEndpoint) -> Value {
    let mut shown = shown(record);
    shown.insert("secret", record.secret.expose_secret());
    Value::Object(shown)
}

fn shown(record: &WebhookEndpoint) -> Object {
    let events: Vec<Value> = match &record.events {
        None => vec![ALL_EVENTS.into()],
        Some(kinds) => kinds.iter().map(|kind| kind.as_str().into()).collect(),
    };
    let accounts: Vec<Value> = record.accounts.iter().map(|account| account.to_string().into()).collect();
    let headers: Object =
        record.headers.iter().map(|(name, _)| (name.clone(), Value::from(HIDDEN))).collect();
    let mut shown = Object::new();
    shown.insert("id", record.id.to_string());
    shown.insert("name", record.name.as_str());
    shown.insert("url", record.url.as_str());
    shown.insert("events", events);
    shown.insert("accounts", if accounts.is_empty() { Value::Null } else { accounts.into() });
    shown.insert("headers", headers);
    shown.insert("enabled", record.is_enabled && record.status != WebhookStatus::Disabled);
    shown.insert("status", record.shown_status().as_str());
    shown.insert("status_reason", record.status_reason.clone().map_or(Value::Null, Value::from));
    shown.insert("created_at", record.created_at.to_string());
    shown.insert("updated_at", record.updated_at.to_string());
    shown
}

pub(crate) fn show_delivery(delivery: StoredDelivery) -> Value {
    let time = |at: Option<Timestamp>| at.map_or(Value::Null, |at| at.to_string().into());
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
        ("at", time(delivery.at)),
        ("next_attempt_at", time(delivery.next_attempt_at)),
        ("created_at", time(Some(delivery.created_at))),
    ])
}
