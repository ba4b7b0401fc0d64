//! JSON of contacts in responses.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::contacts::opt_out::OptOutReason;
use domain::json::Value;
use engine::ports::Contact;

use crate::api::response::object;
use crate::api::serialize::{or_null, phone, time, time_or_null};

/// JSON of a contact.
pub(crate) fn serialize_contact(contact: Contact) -> Value {
    object([
        ("id", contact.id.to_string().into()),
        ("phone_number", or_null(contact.wa_id.as_deref().map(phone))),
        ("user_id", or_null(contact.user_id)),
        ("name", or_null(contact.name)),
        ("username", or_null(contact.username)),
        ("tags", Value::Array(contact.tags.into_iter().map(Value::from).collect())),
        ("stage", or_null(contact.stage)),
        ("email", or_null(contact.email)),
        ("custom_fields", contact.custom_fields.into()),
        ("last_inbound_at", time_or_null(contact.last_inbound_at)),
        ("opted_out", contact.opted_out.is_some().into()),
        ("opted_out_reason", or_null(contact.opted_out.map(|(_, reason)| reason.as_str()))),
        ("opted_out_at", time_or_null(contact.opted_out.map(|(at, _)| at))),
        ("created_at", time(contact.created_at)),
    ])
}

/// Returns the named schema of a contact.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let reason = Schema::enumeration(OptOutReason::ALL.map(OptOutReason::as_str));
    let value = Schema::default().set("type", vec![Value::from("string"), "number".into(), "boolean".into()]);
    let contact = Schema::object([
        required("id", Schema::uuid()),
        required("phone_number", Schema::string(1..).or_null()),
        required("user_id", Schema::string(1..).or_null().about("Meta's business-scoped user ID.")),
        required("name", Schema::string(..).or_null()),
        required("username", Schema::string(..).or_null().about("WhatsApp user name.")),
        required("tags", Schema::array(Schema::string(1..), ..)),
        required("stage", Schema::string(1..).or_null()),
        required("email", Schema::string(1..).or_null()),
        required("custom_fields", Schema::map(value)),
        required(
            "last_inbound_at",
            Schema::time().or_null().about("Time of the last message from the contact."),
        ),
        required(
            "opted_out",
            Schema::boolean().about("`true`: the contact receives no marketing templates."),
        ),
        required(
            "opted_out_reason",
            reason
                .or_null()
                .about("Source of the opt-out: a keyword in a message, Meta, the API or an import."),
        ),
        required("opted_out_at", Schema::time().or_null()),
        required("created_at", Schema::time()),
    ]);
    vec![("Contact", contact)]
}

pub(crate) const CONTACT_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000003","phone_number":"+447700900124",
    "user_id":"GB.77120394857261034","name":"Maya Osei","username":null,"tags":["vip"],"stage":"lead",
    "email":"maya@example.com","custom_fields":{"loyalty_points":120,"city":"Leeds"},
    "last_inbound_at":"2026-05-29T10:30:00.000Z","opted_out":false,"opted_out_reason":null,"opted_out_at":null,
    "created_at":"2026-05-01T08:00:00.000Z"}"#;
