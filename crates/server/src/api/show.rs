//! Resources as answers show them.

use domain::account::Account;
use domain::json::{Object, Value};
use domain::message::{Direction, Pricing, Status};
use engine::ports::{Contact, MessageStory, StoredMessage, StoredTemplate, TimelineEntry};
use jiff::Timestamp;

use super::answer::object;
use super::refusal::meta_json;

fn text<T: Into<Value>>(value: Option<T>) -> Value {
    value.map_or(Value::Null, Into::into)
}

fn time(at: Timestamp) -> Value {
    at.to_string().into()
}

fn phone(digits: &str) -> String {
    format!("+{digits}")
}

/// JSON text that we wrote ourselves, or Meta did.
fn parsed(json: &str) -> Value {
    serde_json::from_str(json).unwrap_or_else(|_| json.into())
}

/// An account, without its secrets.
pub(crate) fn account(account: &Account, n_reached: u32) -> Value {
    let limit = object([
        ("tier", text(account.messaging_limit_tier.as_deref())),
        ("used_24h", i64::from(n_reached).into()),
    ]);
    object([
        ("id", account.id.to_string().into()),
        ("name", account.name.as_str().into()),
        ("phone_number_id", account.phone_number_id.as_str().into()),
        ("waba_id", account.waba_id.as_str().into()),
        ("display_phone_number", text(account.display_phone_number.as_deref())),
        ("quality_rating", text(account.quality_rating.as_deref())),
        ("messaging_limit", limit),
        ("status", account.status.as_str().into()),
        ("status_reason", text(account.status_reason.as_deref())),
        ("default", account.is_default.into()),
        ("sandbox", account.is_sandbox.into()),
    ])
}

/// A contact.
pub(crate) fn contact(contact: Contact) -> Value {
    object([
        ("id", contact.id.to_string().into()),
        ("phone_number", text(contact.wa_id.as_deref().map(phone))),
        ("user_id", text(contact.user_id)),
        ("name", text(contact.name)),
        ("tags", Value::Array(contact.tags.into_iter().map(Value::from).collect())),
        ("stage", text(contact.stage)),
        ("email", text(contact.email)),
        ("custom_fields", contact.custom_fields.into()),
        ("last_inbound_at", contact.last_inbound_at.map_or(Value::Null, time)),
        ("opted_out", contact.opted_out.is_some().into()),
        ("opted_out_reason", text(contact.opted_out.map(|(_, reason)| reason.as_str()))),
        ("opted_out_at", contact.opted_out.map_or(Value::Null, |(at, _)| time(at))),
        ("created_at", time(contact.created_at)),
    ])
}

/// A template.
pub(crate) fn template(stored: StoredTemplate) -> Value {
    let listed = stored.listed;
    let template = listed.template;
    object([
        ("id", stored.id.to_string().into()),
        ("template_id", listed.meta_id.into()),
        ("waba_id", stored.waba_id.into()),
        ("name", template.name.into()),
        ("language", template.language.into()),
        ("category", template.category.as_str().into()),
        ("status", template.status.as_str().into()),
        ("parameter_format", template.parameter_format.as_str().into()),
        ("components", parsed(&listed.components)),
        ("quality", text(listed.quality)),
        ("rejected_reason", text(listed.rejected_reason)),
        ("synced_at", time(stored.synced_at)),
    ])
}

/// A message, as lists show it.
pub(crate) fn message(message: StoredMessage) -> Value {
    Value::Object(message_object(message))
}

fn message_object(message: StoredMessage) -> Object {
    let number = text(message.wa_id.as_deref().map(phone));
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
    shown.insert("account", message.account.to_string());
    shown.insert("contact_id", message.contact.to_string());
    match message.direction {
        Direction::Inbound => {
            shown.insert("from", from);
            shown.insert("user_id", text(message.user_id));
        }
        Direction::Outbound => {
            shown.insert("to", to);
            shown.insert("recipient", text(message.user_id));
            shown.insert("client_reference", text(message.client_reference));
            shown.insert("sent_as", message.sent_as.as_str());
            shown.insert("mode", if message.is_of_queue { "queue" } else { "sync" });
            if message.status == Status::Queued {
                shown.insert("due_at", message.due_at.map_or(Value::Null, time));
            }
            if let Some(expires_at) = message.expires_at {
                shown.insert("expires_at", time(expires_at));
            }
        }
    }
    if let Some(content) = &message.content {
        shown.insert(&message.kind, parsed(content));
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
    let title = domain::message::failure_title(code);
    object([("code", code.into()), ("title", title.into()), ("details", Value::Null)])
}

fn pricing(pricing: Pricing) -> Value {
    object([
        ("billable", text(pricing.billable)),
        ("pricing_model", text(pricing.pricing_model)),
        ("type", text(pricing.kind)),
        ("category", text(pricing.category)),
    ])
}

/// A message with its story.
pub(crate) fn story(story: MessageStory) -> Value {
    let begun = (story.message.direction, story.message.is_of_queue, story.message.created_at);
    let mut shown = message_object(story.message);
    let mut timeline = vec![match begun {
        (Direction::Outbound, true, at) => step(Status::Queued, at),
        (Direction::Outbound, false, at) => step(Status::Sending, at),
        (Direction::Inbound, _, at) => step(Status::Received, at),
    }];
    timeline.extend(story.timeline.into_iter().map(entry));
    shown.insert("timeline", Value::Array(timeline));
    let raw = story.raw.and_then(|raw| std::str::from_utf8(&raw).ok().map(parsed));
    shown.insert("raw", raw.unwrap_or(Value::Null));
    Value::Object(shown)
}

fn step(status: Status, at: Timestamp) -> Value {
    object([("status", status.as_str().into()), ("at", time(at)), ("source", "waypost".into())])
}

fn entry(entry: TimelineEntry) -> Value {
    let mut shown = Object::new();
    shown.insert("status", entry.status.as_str());
    shown.insert("at", time(entry.at));
    shown.insert("source", if entry.is_report { "meta" } else { "waypost" });
    if entry.is_report {
        shown.insert("heard_at", time(entry.heard_at));
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
