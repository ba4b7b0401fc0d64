//! Messages, read and acted upon.

pub(crate) mod send;

use crate::api::messages::list::read_filter;
use crate::api::messages::mark_read::read_typing;
use crate::api::messages::resolve::read_resolution;
use domain::check::RequestSchema;
use domain::id::ContactId;
use domain::messages::content::MessageKind;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::ports::WaitingFor;

use crate::api::error::Code;
use crate::api::openapi::example::MESSAGE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Schema, anything, boolean, id, integer, list, may, named, need, only, shown, text, time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let id_of = "Waypost's ID of the message, or Meta's. Meta's ID must be percent-encoded, because it can \
         contain `/` and `+`.";
    let acting = |operation: Operation| {
        operation.id(id_of, MESSAGE).fails([Code::MessageNotFound]).gives(
            200,
            "The message.",
            named("Message"),
            OUTBOUND,
        )
    };
    vec![
        list_messages(),
        Operation::new("get_message", "Get a message", "Returns the message with its timeline and Meta's \
             original data.")
            .id(id_of, MESSAGE)
            .gives(200, "The message.", named("MessageDetail"), STORY)
            .fails([Code::MessageNotFound]),
        Operation::new(
            "mark_message_read",
            "Mark a message as read",
            "The customer sees blue check marks on this message and on all earlier messages.",
        )
        .id(id_of, crate::api::openapi::example::WAMID)
        .may_read(
            RequestSchema::of(read_typing),
            r#"{"typing_indicator":true}"#,
        )
        .gives(
            200,
            "The message is marked as read.",
            shown([need("message_id", text(1..)), need("status", only("read"))]),
            r#"{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=","status":"read"}"#,
        )
        .fails([
            Code::MessageNotFound,
            Code::MetaError,
            Code::AccountNotFound,
            Code::MetaRateLimited,
            Code::MetaUnavailable,
            Code::AccountDisconnected,
        ]),
        acting(Operation::new(
            "cancel_message",
            "Cancel a queued message",
            "Cancels a message that waits in the queue.",
        ))
        .takes_nothing()
        .fails([Code::NotCancelable]),
        acting(Operation::new(
            "resolve_message",
            "Resolve a message with an unknown outcome",
            "For a message with the status `unknown`: Waypost cannot tell if Meta accepted it.",
        ))
        .reads(
            RequestSchema::of(read_resolution),
            [("fail", r#"{"action":"fail"}"#)],
        )
        .fails([Code::NotResolvable, Code::AccountNotFound, Code::AccountDisconnected, Code::QueueFull]),
    ]
}

fn list_messages() -> Operation {
    Operation::new("list_messages", "List messages", "Newest first.")
        .reads_query(RequestSchema::of_query(|fields| read_filter(fields, None)))
        .lists("messages", "Message", OUTBOUND)
        .fails([Code::AccountNotFound])
}

/// Adds the filters of the messages of one contact.
pub(crate) fn filters(operation: Operation) -> Operation {
    let some_contact = ContactId::from_parts(0, &[0; 10]);
    operation.reads_query(RequestSchema::of_query(|fields| read_filter(fields, Some(some_contact))))
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut detail = message_fields();
    detail.extend([
        need("timeline", list(step(), ..).about("Status changes, in order.")),
        need("raw", anything().about("Meta's webhook data. `null` for outbound messages.")),
        may("media", named("MessageMedia")),
    ]);
    let about = "Inbound messages can have further types of Meta. The object of such a type is the member with its \
         name.";
    let of = |fields: Vec<crate::api::openapi::schema::Field>| {
        shown(fields).set("additionalProperties", true).about(about)
    };
    vec![("Message", of(message_fields())), ("MessageDetail", of(detail)), ("Pricing", pricing())]
}

fn message_fields() -> Vec<crate::api::openapi::schema::Field> {
    let mut fields = vec![
        need("id", id().about("Waypost's ID.")),
        need("message_id", text(1..).about("Meta's message ID; Waypost's ID until Meta's is known.")),
        need("direction", word([Direction::Inbound, Direction::Outbound].map(Direction::as_str))),
        need("status", status()),
        need(
            "type",
            text(1..).about(
                "Type of the message. Inbound messages can also have another type of \
             Meta, or `unsupported`.",
            ),
        ),
        need("whatsapp_account_id", id()),
        need("contact_id", id()),
        may("from", text(1..).or_null().about("Inbound: phone number of the customer.")),
        may("user_id", text(1..).or_null().about("Inbound: business-scoped user ID of the customer.")),
        may("to", text(1..).or_null().about("Outbound: phone number of the recipient.")),
        may("recipient", text(1..).or_null().about("Outbound: business-scoped user ID of the recipient.")),
        may("client_reference", text(1..).or_null()),
        may("sent_as", word(["message", "template"]).about("`template`: the fallback template was sent.")),
        may(
            "mode",
            word(["sync", "queue", "echo"]).about(
                "`echo`: the message was sent with another program, such as the WhatsApp Business app.",
            ),
        ),
        may("due_at", time().or_null().about("Queued message: time of the next attempt to send it.")),
        may(
            "waiting_for",
            only(WaitingFor::MessagingLimit.as_str())
                .about("Queued message: its template would exceed Meta's messaging limit of 24 hours."),
        ),
        may("expires_at", time().about("Time at which the message expires if it is not sent.")),
    ];
    // Customers' messages are shown as they came.
    fields.extend(MessageKind::ALL.map(|kind| {
        let name = kind.as_str();
        may(name, anything().about("Content of the message in Meta's format, under the name of its `type`."))
    }));
    fields.extend([
        need(
            "context",
            shown([need("message_id", text(1..))]).or_null().about("Message that this message replies to."),
        ),
        may("error", named("Failure").or_null().about("Outbound: reason of the failure.")),
        may("pricing", named("Pricing").or_null().about("Outbound: pricing that Meta reported.")),
        need("created_at", time()),
        need("updated_at", time()),
    ]);
    fields
}

fn status() -> Schema {
    word(MessageStatus::ALL.map(MessageStatus::as_str)).about("Status of the message.")
}

fn step() -> Schema {
    shown([
        need("status", status()),
        need("at", time()),
        need("source", word(["waypost", "meta"])),
        may("received_at", time().about("Time at which Waypost received Meta's report.")),
        may("message_id", text(1..)),
        may("duplicate", boolean().about("`true`: Meta accepted the message twice.")),
        may("error", named("Failure")),
        may("pricing", named("Pricing")),
    ])
}

pub(crate) fn pricing() -> Schema {
    shown([
        may("billable", boolean().or_null()),
        may("pricing_model", text(1..).or_null().about("`PMP` or `CBP`.")),
        may("type", text(1..).or_null().about("`regular`, `free_customer_service` or `free_entry_point`.")),
        may("category", text(1..).or_null()),
    ])
}

/// A file, as its message shows it.
pub(crate) fn media_fields() -> Vec<crate::api::openapi::schema::Field> {
    vec![
        need("id", id()),
        need("state", word(["receiving", "pending", "ready", "failed", "gone"])),
        need("mime_type", text(..).or_null()),
        need("size", integer(0..).or_null()),
        need("sha256", text(64..=64).or_null()),
        need("file_name", text(..).or_null()),
        need("reason", text(..).or_null().about("Reason for which the file is not available.")),
    ]
}

pub(crate) const OUTBOUND: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000001",
    "message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","direction":"outbound","status":"delivered",
    "type":"text","whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","contact_id":"01a2b3c4-0000-7000-8000-000000000003",
    "to":"+15550100001","recipient":null,"client_reference":"order 7","sent_as":"message","mode":"sync",
    "text":{"body":"Hello from Waypost"},"context":null,"error":null,
    "pricing":{"billable":false,"pricing_model":"PMP","type":"free_customer_service","category":"service"},
    "created_at":"2026-05-29T10:30:00Z","updated_at":"2026-05-29T10:30:02Z"}"#;

const STORY: &str = r#"{"id":"01a2b3c4-0000-7000-8000-000000000001",
    "message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","direction":"outbound","status":"delivered",
    "type":"text","whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","contact_id":"01a2b3c4-0000-7000-8000-000000000003",
    "to":"+15550100001","recipient":null,"client_reference":null,"sent_as":"message","mode":"sync",
    "text":{"body":"Hello from Waypost"},"context":null,"error":null,"pricing":null,
    "created_at":"2026-05-29T10:30:00Z","updated_at":"2026-05-29T10:30:02Z",
    "timeline":[{"status":"sending","at":"2026-05-29T10:30:00Z","source":"waypost"},
        {"status":"sent","at":"2026-05-29T10:30:01Z","source":"waypost"},
        {"status":"delivered","at":"2026-05-29T10:30:02Z","source":"meta","received_at":"2026-05-29T10:30:02Z"}],
    "raw":null}"#;
