//! JSON of messages in responses.

use domain::json::{Object, Value};
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use engine::ports::{MessageDetail, StoredMessage, TimelineEntry};
use jiff::Timestamp;

use crate::api::media::serialize::media_object;
use crate::api::response::object;
use crate::api::serialize::{meta_json, optional, parsed_json, phone, time};

/// A message, as lists show it.
pub(crate) fn serialize_message(message: StoredMessage) -> Value {
    Value::Object(message_object(message))
}

fn message_object(message: StoredMessage) -> Object {
    let number = optional(message.wa_id.as_deref().map(phone));
    let (from, to) = match message.direction {
        Direction::Inbound => (number, Value::Null),
        Direction::Outbound => (Value::Null, number),
    };
    let id = message.id.to_string();
    let mut shown = Object::new();
    shown.insert("id", id.as_str());
    shown.insert("message_id", message.wamid.unwrap_or(id));
    shown.insert("direction", message.direction.as_str());
    shown.insert("status", message.status.as_str());
    shown.insert("type", message.kind.as_str());
    shown.insert("whatsapp_account_id", message.account.to_string());
    shown.insert("contact_id", message.contact.to_string());
    match message.direction {
        Direction::Inbound => {
            shown.insert("from", from);
            shown.insert("user_id", optional(message.user_id));
        }
        Direction::Outbound => {
            shown.insert("to", to);
            shown.insert("recipient", optional(message.user_id));
            shown.insert("client_reference", optional(message.client_reference));
            shown.insert("sent_as", message.sent_as.as_str());
            let mode = if message.is_queued_mode { "queue" } else { "sync" };
            shown.insert("mode", if message.is_echo { "echo" } else { mode });
            if message.status == MessageStatus::Queued {
                shown.insert("due_at", message.due_at.map_or(Value::Null, time));
                if let Some(waiting_for) = message.waiting_for {
                    shown.insert("waiting_for", waiting_for.as_str());
                }
            }
            if let Some(expires_at) = message.expires_at {
                shown.insert("expires_at", time(expires_at));
            }
        }
    }
    if let Some(content) = &message.content {
        shown.insert(&message.kind, parsed_json(content));
    }
    let context = message.context_wamid.map(|wamid| object([("message_id", wamid.into())]));
    shown.insert("context", context.unwrap_or(Value::Null));
    if message.direction == Direction::Outbound {
        let error = match (&message.error, message.failure_code) {
            (Some(error), _) => meta_json(error),
            (None, Some(code)) => failure(&code),
            (None, None) => Value::Null,
        };
        shown.insert("error", error);
        shown.insert("pricing", message.pricing.map_or(Value::Null, pricing));
    }
    shown.insert("created_at", time(message.created_at));
    shown.insert("updated_at", time(message.updated_at));
    shown
}

/// A failure that is not Meta's.
fn failure(code: &str) -> Value {
    let title = domain::messages::status::failure_title(code);
    object([("code", code.into()), ("title", title.into()), ("details", Value::Null)])
}

fn pricing(pricing: Pricing) -> Value {
    object([
        ("billable", optional(pricing.billable)),
        ("pricing_model", optional(pricing.pricing_model)),
        ("type", optional(pricing.kind)),
        ("category", optional(pricing.category)),
    ])
}

/// A message with its story.
pub(crate) fn serialize_message_detail(detail: MessageDetail) -> Value {
    let StoredMessage { direction, is_queued_mode, is_echo, created_at: at, .. } = detail.message;
    let mut shown = message_object(detail.message);
    let begun = match (direction, is_queued_mode) {
        // We did not send it: it begins with what Meta told.
        (Direction::Outbound, _) if is_echo => None,
        (Direction::Outbound, true) => Some(MessageStatus::Queued),
        (Direction::Outbound, false) => Some(MessageStatus::Sending),
        (Direction::Inbound, _) => Some(MessageStatus::Received),
    };
    let mut timeline: Vec<_> = begun.map(|status| step(status, at)).into_iter().collect();
    timeline.extend(detail.timeline.into_iter().map(entry));
    shown.insert("timeline", Value::Array(timeline));
    let raw = detail.raw.and_then(|raw| std::str::from_utf8(&raw).ok().map(parsed_json));
    shown.insert("raw", raw.unwrap_or(Value::Null));
    if let Some(media) = &detail.media {
        shown.insert("media", Value::Object(media_object(media)));
    }
    Value::Object(shown)
}

fn step(status: MessageStatus, at: Timestamp) -> Value {
    object([("status", status.as_str().into()), ("at", time(at)), ("source", "waypost".into())])
}

fn entry(entry: TimelineEntry) -> Value {
    let mut shown = Object::new();
    shown.insert("status", entry.status.as_str());
    shown.insert("at", time(entry.at));
    shown.insert("source", if entry.is_report { "meta" } else { "waypost" });
    if entry.is_report {
        shown.insert("received_at", time(entry.received_at));
    }
    if let Some(wamid) = entry.wamid {
        shown.insert("message_id", wamid);
    }
    if entry.is_duplicate {
        shown.insert("duplicate", true);
    }
    if let Some(error) = &entry.error {
        shown.insert("error", meta_json(error));
    }
    if let Some(price) = entry.pricing {
        shown.insert("pricing", pricing(price));
    }
    Value::Object(shown)
}
