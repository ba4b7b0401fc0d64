//! Resources as answers show them.

use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::access::user::User;
use domain::accounts::account::Account;
use domain::json::{Object, Value};
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use engine::ports::{Contact, MessageDetail, StoredMedia, StoredMessage, StoredTemplate, TimelineEntry};
use jiff::Timestamp;

use crate::api::error_mapping::meta_json;
use crate::api::response::object;

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
        ("fetch_media", account.fetches_links.map_or(Value::Null, Value::from)),
    ])
}

/// A key, without what opens the door.
pub(crate) fn key(key: &ApiKey) -> Value {
    Value::Object(key_object(key))
}

/// The same, to add to.
pub(crate) fn key_object(key: &ApiKey) -> Object {
    let words = |words: Vec<String>| Value::Array(words.into_iter().map(Value::from).collect());
    let number = |number: Option<u32>| number.map_or(Value::Null, |number| i64::from(number).into());
    let mut shown = Object::new();
    shown.insert("id", key.id.to_string());
    shown.insert("name", key.name.as_str());
    shown.insert("prefix", key.prefix.as_str());
    shown.insert("scopes", words(key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()));
    shown.insert("accounts", words(key.accounts.iter().map(ToString::to_string).collect()));
    shown.insert("test", key.is_test);
    shown.insert("rate_per_minute", number(key.rate_per_minute));
    shown.insert("rate_burst", number(key.rate_burst));
    shown.insert("expires_at", key.expires_at.map_or(Value::Null, time));
    shown.insert("replaced_by", text(key.replaced_by.map(|id| id.to_string())));
    shown.insert("created_at", time(key.created_at));
    shown.insert("last_used_at", key.last_used_at.map_or(Value::Null, time));
    shown
}

/// A user, without the password's hash.
pub(crate) fn user(user: &User) -> Value {
    object([
        ("id", user.id.to_string().into()),
        ("email", user.email.as_str().into()),
        ("name", text(user.name.as_deref())),
        ("role", user.role.as_str().into()),
        ("disabled", user.is_disabled.into()),
        ("created_at", time(user.created_at)),
        ("updated_at", time(user.updated_at)),
        ("last_login_at", user.last_login_at.map_or(Value::Null, time)),
    ])
}

/// An entry of the audit log.
pub(crate) fn act(act: AuditEntry) -> Value {
    let actor = object([
        ("kind", act.actor.kind.as_str().into()),
        ("id", text(act.actor.id)),
        ("name", act.actor.name.into()),
    ]);
    let subject = object([
        ("kind", act.subject.kind.as_str().into()),
        ("id", act.subject.id.into()),
        ("name", text(act.subject.name)),
    ]);
    object([
        ("id", act.id.to_string().into()),
        ("at", time(act.at)),
        ("actor", actor),
        ("action", act.action.as_str().into()),
        ("subject", subject),
        ("client_address", text(act.client.map(|client| client.to_string()))),
        ("request_id", text(act.request_id)),
        ("details", Value::Object(act.details)),
    ])
}

/// A contact.
pub(crate) fn contact(contact: Contact) -> Value {
    object([
        ("id", contact.id.to_string().into()),
        ("phone_number", text(contact.wa_id.as_deref().map(phone))),
        ("user_id", text(contact.user_id)),
        ("name", text(contact.name)),
        ("username", text(contact.username)),
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
            let mode = if message.is_of_queue { "queue" } else { "sync" };
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
    let title = domain::messages::status::failure_title(code);
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
pub(crate) fn story(story: MessageDetail) -> Value {
    let StoredMessage { direction, is_of_queue, is_echo, created_at: at, .. } = story.message;
    let mut shown = message_object(story.message);
    let begun = match (direction, is_of_queue) {
        // We did not send it: it begins with what Meta told.
        (Direction::Outbound, _) if is_echo => None,
        (Direction::Outbound, true) => Some(MessageStatus::Queued),
        (Direction::Outbound, false) => Some(MessageStatus::Sending),
        (Direction::Inbound, _) => Some(MessageStatus::Received),
    };
    let mut timeline: Vec<_> = begun.map(|status| step(status, at)).into_iter().collect();
    timeline.extend(story.timeline.into_iter().map(entry));
    shown.insert("timeline", Value::Array(timeline));
    let raw = story.raw.and_then(|raw| std::str::from_utf8(&raw).ok().map(parsed));
    shown.insert("raw", raw.unwrap_or(Value::Null));
    if let Some(media) = &story.media {
        shown.insert("media", Value::Object(media_object(media)));
    }
    Value::Object(shown)
}

/// A file, as its message shows it.
fn media_object(media: &StoredMedia) -> Object {
    let mut shown = Object::new();
    shown.insert("id", media.id.to_string());
    shown.insert("state", media.state.as_str());
    shown.insert("mime_type", text(media.mime_type.as_deref()));
    shown.insert("size", text(media.size.and_then(|size| i64::try_from(size).ok())));
    shown.insert("sha256", text(media.sha256.as_ref().map(hex)));
    shown.insert("file_name", text(media.file_name.as_deref()));
    shown.insert("reason", text(media.reason.as_deref()));
    shown
}

/// A file.
pub(crate) fn media(media: &StoredMedia) -> Value {
    let mut shown = media_object(media);
    shown.insert("origin", media.origin.as_str());
    shown.insert("account", text(media.account.map(|id| id.to_string())));
    shown.insert("message", text(media.message.map(|id| id.to_string())));
    shown.insert("created_at", time(media.created_at));
    shown.insert("expires_at", media.expires_at.map_or(Value::Null, time));
    Value::Object(shown)
}

/// A digest as text.
pub(crate) fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
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
