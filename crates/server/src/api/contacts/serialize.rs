//! JSON of contacts in responses.

use domain::json::Value;
use engine::ports::Contact;

use crate::api::response::object;
use crate::api::serialize::{optional, phone, time};

/// A contact.
pub(crate) fn serialize_contact(contact: Contact) -> Value {
    object([
        ("id", contact.id.to_string().into()),
        ("phone_number", optional(contact.wa_id.as_deref().map(phone))),
        ("user_id", optional(contact.user_id)),
        ("name", optional(contact.name)),
        ("username", optional(contact.username)),
        ("tags", Value::Array(contact.tags.into_iter().map(Value::from).collect())),
        ("stage", optional(contact.stage)),
        ("email", optional(contact.email)),
        ("custom_fields", contact.custom_fields.into()),
        ("last_inbound_at", contact.last_inbound_at.map_or(Value::Null, time)),
        ("opted_out", contact.opted_out.is_some().into()),
        ("opted_out_reason", optional(contact.opted_out.map(|(_, reason)| reason.as_str()))),
        ("opted_out_at", contact.opted_out.map_or(Value::Null, |(at, _)| time(at))),
        ("created_at", time(contact.created_at)),
    ])
}
