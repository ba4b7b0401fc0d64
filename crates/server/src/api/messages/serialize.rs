//! JSON of messages in responses.

use crate::api::openapi::schema::Property;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use domain::json::{Object, Value};
use domain::messages::content::MessageKind;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use domain::messages::status_report::Pricing;
use engine::ports::WaitingFor;
use engine::ports::{MessageDetail, StoredMessage, TimelineEntry};
use jiff::Timestamp;

use crate::api::media::serialize::media_object;
use crate::api::response::object;
use crate::api::serialize::{meta_json, or_null, parsed_json, phone, time, time_or_null};

/// JSON of a message in a list.
pub(crate) fn serialize_message(message: StoredMessage) -> Value {
    Value::Object(message_object(message))
}

fn message_object(message: StoredMessage) -> Object {
    let number = or_null(message.wa_id.as_deref().map(phone));
    let (from, to) = match message.direction {
        Direction::Inbound => (number, Value::Null),
        Direction::Outbound => (Value::Null, number),
    };
    let id = message.id.to_string();
    let mut json = Object::new();
    json.insert("id", id.as_str());
    json.insert("message_id", message.wamid.unwrap_or(id));
    json.insert("direction", message.direction.as_str());
    json.insert("status", message.status.as_str());
    json.insert("type", message.kind.as_str());
    json.insert("whatsapp_account_id", message.account.to_string());
    json.insert("contact_id", message.contact.to_string());
    match message.direction {
        Direction::Inbound => {
            json.insert("from", from);
            json.insert("user_id", or_null(message.user_id));
            json.insert("read_at", message.read_at.map_or(Value::Null, time));
        }
        Direction::Outbound => {
            json.insert("to", to);
            json.insert("recipient", or_null(message.user_id));
            json.insert("client_reference", or_null(message.client_reference));
            json.insert("sent_as", message.sent_as.as_str());
            let mode = if message.is_queued_mode { "queue" } else { "sync" };
            json.insert("mode", if message.is_echo { "echo" } else { mode });
            if let Some(send_at) = message.send_at {
                json.insert("send_at", time(send_at));
            }
            if message.status == MessageStatus::Queued {
                json.insert("due_at", time_or_null(message.due_at));
                if let Some(waiting_for) = message.waiting_for {
                    json.insert("waiting_for", waiting_for.as_str());
                }
            }
            if let Some(expires_at) = message.expires_at {
                json.insert("expires_at", time(expires_at));
            }
        }
    }
    if let Some(content) = &message.content {
        json.insert(&message.kind, parsed_json(content));
    }
    if let Some(media) = message.media {
        json.insert("media_id", media.to_string());
    }
    let context = message.context_wamid.map(|wamid| object([("message_id", wamid.into())]));
    json.insert("context", context.unwrap_or(Value::Null));
    if message.direction == Direction::Outbound {
        let error = match (&message.error, message.failure_code) {
            (Some(error), _) => meta_json(error),
            (None, Some(code)) => failure(&code),
            (None, None) => Value::Null,
        };
        json.insert("error", error);
        json.insert("pricing", message.pricing.map_or(Value::Null, pricing));
    }
    json.insert("created_at", time(message.created_at));
    json.insert("updated_at", time(message.updated_at));
    json
}

/// JSON of a failure in Waypost.
fn failure(code: &str) -> Value {
    let title = domain::messages::status::failure_title(code);
    object([("code", code.into()), ("title", title.into()), ("details", Value::Null)])
}

fn pricing(pricing: Pricing) -> Value {
    object([
        ("billable", or_null(pricing.billable)),
        ("pricing_model", or_null(pricing.pricing_model)),
        ("type", or_null(pricing.kind)),
        ("category", or_null(pricing.category)),
    ])
}

/// JSON of a message with its timeline.
pub(crate) fn serialize_message_detail(detail: MessageDetail) -> Value {
    let StoredMessage { direction, is_queued_mode, is_echo, created_at: at, .. } = detail.message;
    let mut json = message_object(detail.message);
    let first_status = match (direction, is_queued_mode) {
        // Waypost did not send the message, so the timeline begins with the first status from Meta.
        (Direction::Outbound, _) if is_echo => None,
        (Direction::Outbound, true) => Some(MessageStatus::Queued),
        (Direction::Outbound, false) => Some(MessageStatus::Sending),
        (Direction::Inbound, _) => Some(MessageStatus::Received),
    };
    let mut timeline: Vec<_> = first_status.map(|status| step(status, at)).into_iter().collect();
    timeline.extend(detail.timeline.into_iter().map(entry));
    json.insert("timeline", Value::Array(timeline));
    let raw = detail.raw.and_then(|raw| std::str::from_utf8(&raw).ok().map(parsed_json));
    json.insert("raw", raw.unwrap_or(Value::Null));
    if let Some(media) = &detail.media {
        json.insert("media", Value::Object(media_object(media)));
    }
    Value::Object(json)
}

fn step(status: MessageStatus, at: Timestamp) -> Value {
    object([("status", status.as_str().into()), ("at", time(at)), ("source", "waypost".into())])
}

fn entry(entry: TimelineEntry) -> Value {
    let mut json = Object::new();
    json.insert("status", entry.status.as_str());
    json.insert("at", time(entry.at));
    json.insert("source", if entry.is_report { "meta" } else { "waypost" });
    if entry.is_report {
        json.insert("received_at", time(entry.received_at));
    }
    if let Some(wamid) = entry.wamid {
        json.insert("message_id", wamid);
    }
    if entry.is_duplicate {
        json.insert("duplicate", true);
    }
    if let Some(error) = &entry.error {
        json.insert("error", meta_json(error));
    }
    if let Some(price) = entry.pricing {
        json.insert("pricing", pricing(price));
    }
    Value::Object(json)
}

/// Returns the named schemas of messages.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut detail = message_properties();
    detail.extend([
        required("timeline", Schema::array(timeline_entry_schema(), ..).about("Status changes, in order.")),
        required("raw", Schema::any().about("Meta's webhook data. `null` for outbound messages.")),
        optional("media", Schema::reference("MessageMedia")),
    ]);
    let about = "Inbound messages can have further types of Meta. The object of such a type is the member with its \
         name.";
    let of = |fields: Vec<Property>| Schema::object(fields).set("additionalProperties", true).about(about);
    vec![("Message", of(message_properties())), ("MessageDetail", of(detail)), ("Pricing", pricing_schema())]
}

fn message_properties() -> Vec<Property> {
    let mut fields = vec![
        required("id", Schema::uuid().about("Waypost's ID.")),
        required(
            "message_id",
            Schema::string(1..).about("Meta's message ID; Waypost's ID until Meta's is known."),
        ),
        required(
            "direction",
            Schema::enumeration([Direction::Inbound, Direction::Outbound].map(Direction::as_str)),
        ),
        required("status", status_schema()),
        required(
            "type",
            Schema::string(1..).about(
                "Type of the message. Inbound messages can also have another type of \
             Meta, or `unsupported`.",
            ),
        ),
        required("whatsapp_account_id", Schema::uuid()),
        required("contact_id", Schema::uuid()),
        optional("from", Schema::string(1..).or_null().about("Inbound: phone number of the customer.")),
        optional(
            "user_id",
            Schema::string(1..).or_null().about("Inbound: business-scoped user ID of the customer."),
        ),
        optional("to", Schema::string(1..).or_null().about("Outbound: phone number of the recipient.")),
        optional(
            "recipient",
            Schema::string(1..).or_null().about("Outbound: business-scoped user ID of the recipient."),
        ),
        optional("client_reference", Schema::string(1..).or_null()),
        optional(
            "sent_as",
            Schema::enumeration(["message", "template"]).about("`template`: the fallback template was sent."),
        ),
        optional(
            "mode",
            Schema::enumeration(["sync", "queue", "echo"]).about(
                "`echo`: the message was sent with another program, such as the WhatsApp Business app.",
            ),
        ),
        optional(
            "read_at",
            Schema::time().or_null().about("Inbound: time at which the message was marked as read."),
        ),
    ];
    fields.extend(queue_properties());
    // Inbound messages have the format in which Meta sent them.
    fields.extend(MessageKind::ALL.map(|kind| {
        let name = kind.as_str();
        optional(
            name,
            Schema::any().about("Content of the message in Meta's format, under the name of its `type`."),
        )
    }));
    fields.extend([
        media_id_property(),
        context_property(),
        optional(
            "error",
            Schema::reference("Failure")
                .or_null()
                .about("Outbound: reason of the failure, or of the delay while a file cannot be downloaded."),
        ),
        optional(
            "pricing",
            Schema::reference("Pricing").or_null().about("Outbound: pricing that Meta reported."),
        ),
        required("created_at", Schema::time()),
        required("updated_at", Schema::time()),
    ]);
    fields
}

/// Returns the properties of messages that wait.
fn queue_properties() -> [Property; 4] {
    [
        optional("send_at", Schema::time().about("Scheduled message: send time that the request named.")),
        optional(
            "due_at",
            Schema::time().or_null().about("Queued message: time of the next attempt to send it."),
        ),
        optional(
            "waiting_for",
            Schema::constant(WaitingFor::MessagingLimit.as_str())
                .about("Queued message: its template would exceed Meta's messaging limit of 24 hours."),
        ),
        optional("expires_at", Schema::time().about("Time at which the message expires if it is not sent.")),
    ]
}

fn media_id_property() -> Property {
    let about = "ID of the file of an inbound message or of an echo, for `GET /api/media/{id}`.";
    optional("media_id", Schema::uuid().about(about))
}

fn context_property() -> Property {
    let context = Schema::object([required("message_id", Schema::string(1..))]);
    required("context", context.or_null().about("Message that this message replies to."))
}

fn status_schema() -> Schema {
    Schema::enumeration(MessageStatus::ALL.map(MessageStatus::as_str)).about("Status of the message.")
}

fn timeline_entry_schema() -> Schema {
    Schema::object([
        required("status", status_schema()),
        required("at", Schema::time()),
        required("source", Schema::enumeration(["waypost", "meta"])),
        optional("received_at", Schema::time().about("Time at which Waypost received Meta's report.")),
        optional("message_id", Schema::string(1..)),
        optional("duplicate", Schema::boolean().about("`true`: Meta accepted the message twice.")),
        optional("error", Schema::reference("Failure")),
        optional("pricing", Schema::reference("Pricing")),
    ])
}

fn pricing_schema() -> Schema {
    Schema::object([
        optional("billable", Schema::boolean().or_null()),
        optional("pricing_model", Schema::string(1..).or_null().about("`PMP` or `CBP`.")),
        optional(
            "type",
            Schema::string(1..).or_null().about("`regular`, `free_customer_service` or `free_entry_point`."),
        ),
        optional("category", Schema::string(1..).or_null()),
    ])
}

pub(crate) const MESSAGE_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000001",
    "message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","direction":"outbound","status":"delivered",
    "type":"text","whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","contact_id":"01a2b3c4-0000-7000-8000-000000000003",
    "to":"+15550100001","recipient":null,"client_reference":"order 7","sent_as":"message","mode":"sync",
    "text":{"body":"Hello from Waypost"},"context":null,"error":null,
    "pricing":{"billable":false,"pricing_model":"PMP","type":"free_customer_service","category":"service"},
    "created_at":"2026-05-29T10:30:00.000Z","updated_at":"2026-05-29T10:30:02.000Z"}"#;

pub(crate) const MESSAGE_DETAIL_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000001",
    "message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","direction":"outbound","status":"delivered",
    "type":"text","whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","contact_id":"01a2b3c4-0000-7000-8000-000000000003",
    "to":"+15550100001","recipient":null,"client_reference":null,"sent_as":"message","mode":"sync",
    "text":{"body":"Hello from Waypost"},"context":null,"error":null,"pricing":null,
    "created_at":"2026-05-29T10:30:00.000Z","updated_at":"2026-05-29T10:30:02.000Z",
    "timeline":[{"status":"sending","at":"2026-05-29T10:30:00.000Z","source":"waypost"},
        {"status":"sent","at":"2026-05-29T10:30:01.000Z","source":"waypost"},
        {"status":"delivered","at":"2026-05-29T10:30:02.000Z","source":"meta","received_at":"2026-05-29T10:30:02.000Z"}],
    "raw":null}"#;
