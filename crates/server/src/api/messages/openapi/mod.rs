//! Messages, read and acted upon.

pub(crate) mod content;
pub(crate) mod interactive;
pub(crate) mod order;
pub(crate) mod send;
pub(crate) mod template_message;

use domain::messages::content::MessageKind;
use domain::messages::direction::Direction;
use domain::messages::status::MessageStatus;
use engine::ports::WaitingFor;

use crate::api::error::Code;
use crate::api::openapi::example::MESSAGE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{
    Schema, anything, body, boolean, id, integer, list, may, named, need, only, shown, text, time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let id_of = "Our id of the message, or Meta's (percent-encoded: it can hold `/` and `+`).";
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
        Operation::new("get_message", "Read a message", "The message with its timeline, and what Meta posted.")
            .id(id_of, MESSAGE)
            .gives(200, "The message.", named("MessageDetail"), STORY)
            .fails([Code::MessageNotFound]),
        Operation::new(
            "mark_message_read",
            "Mark a customer's message as read",
            "The customer sees blue ticks on it and on all before it.",
        )
        .id(id_of, crate::api::openapi::example::WAMID)
        .may_take(
            [may("typing_indicator", boolean().about("Also show that you type, for up to 25 seconds."))],
            r#"{"typing_indicator":true}"#,
        )
        .gives(
            200,
            "It is marked.",
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
            "Take a message back",
            "As long as it waits in the queue.",
        ))
        .takes_nothing()
        .fails([Code::NotCancelable]),
        acting(Operation::new(
            "resolve_message",
            "End an unknown message",
            "For a message of which nobody knows whether Meta took it: `resend` sends it again, once; `fail` gives it up.",
        ))
        .takes(
            body([need("action", word(["resend", "fail"]))]),
            [("fail", r#"{"action":"fail"}"#)],
        )
        .fails([Code::NotResolvable, Code::AccountNotFound, Code::AccountDisconnected, Code::QueueFull]),
    ]
}

fn list_messages() -> Operation {
    filters(Operation::new("list_messages", "List messages", "Newest first."))
        .query("contact", "The id of a contact.", id())
        .lists("messages", "Message", OUTBOUND)
        .fails([Code::AccountNotFound])
}

/// Which messages are asked for, of whomever.
pub(crate) fn filters(operation: Operation) -> Operation {
    let some = || text(1..=512);
    operation
        .query("message_id", "Our id, or Meta's.", some())
        .query("account", "Id or name of an account.", some())
        .query("status", "Where it stands.", word(MessageStatus::ALL.map(MessageStatus::as_str)))
        .query("type", "Its `type`.", some())
        .query(
            "direction",
            "Whose it is.",
            word([Direction::Inbound, Direction::Outbound].map(Direction::as_str)),
        )
        .query("client_reference", "Your own reference.", some())
        .query("since", "Earliest time, inclusive.", time())
        .query("until", "Latest time, exclusive.", time())
        .search("Words of the text, a number, or a reference.", 512)
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut story = message_fields();
    story.extend([
        need("timeline", list(step(), ..).about("What became of it, in order.")),
        need("raw", anything().about("What Meta posted, as it came; null for your own messages.")),
        may("media", named("MessageMedia")),
    ]);
    let about =
        "Messages of customers have Meta's types, too: the object of such a type is the member of its name.";
    let of = |fields: Vec<crate::api::openapi::schema::Field>| {
        shown(fields).set("additionalProperties", true).about(about)
    };
    vec![("Message", of(message_fields())), ("MessageDetail", of(story)), ("Pricing", pricing())]
}

fn message_fields() -> Vec<crate::api::openapi::schema::Field> {
    let mut fields = vec![
        need("id", id().about("Ours.")),
        need("message_id", text(1..).about("Meta's; ours until Meta's is known.")),
        need("direction", word([Direction::Inbound, Direction::Outbound].map(Direction::as_str))),
        need("status", status()),
        need("type", text(1..).about("Also Meta's types of inbound messages, or `unsupported`.")),
        need("whatsapp_account_id", id()),
        need("contact_id", id()),
        may("from", text(1..).or_null().about("Inbound: the customer's number.")),
        may("user_id", text(1..).or_null().about("Inbound: the customer's business-scoped user id.")),
        may("to", text(1..).or_null().about("Outbound: the number.")),
        may("recipient", text(1..).or_null().about("Outbound: the business-scoped user id.")),
        may("client_reference", text(1..).or_null()),
        may("sent_as", word(["message", "template"]).about("`template`: the fallback was sent.")),
        may(
            "mode",
            word(["sync", "queue", "echo"])
                .about("`echo`: it was sent from elsewhere, such as the app of the number."),
        ),
        may("due_at", time().or_null().about("While it is queued: its turn.")),
        may(
            "waiting_for",
            only(WaitingFor::MessagingLimit.as_str()).about(
                "While it is queued: its template would reach more people than Meta allows in 24 hours.",
            ),
        ),
        may("expires_at", time().about("When it expires unsent.")),
    ];
    // Customers' messages are shown as they came.
    fields.extend(MessageKind::ALL.map(|kind| {
        let name = kind.as_str();
        may(name, anything().about("What it says, in Meta's form: the member named by `type`."))
    }));
    fields.extend([
        need(
            "context",
            shown([need("message_id", text(1..))]).or_null().about("The message that it answers."),
        ),
        may("error", named("Failure").or_null().about("Outbound: why it failed.")),
        may("pricing", named("Pricing").or_null().about("Outbound: what it costs, as Meta says.")),
        need("created_at", time()),
        need("updated_at", time()),
    ]);
    fields
}

fn status() -> Schema {
    word(MessageStatus::ALL.map(MessageStatus::as_str)).about("Where it stands.")
}

fn step() -> Schema {
    shown([
        need("status", status()),
        need("at", time()),
        need("source", word(["waypost", "meta"])),
        may("received_at", time().about("Time when the webhook of Meta arrived.")),
        may("message_id", text(1..)),
        may("duplicate", boolean().about("`true`: Meta sent it twice.")),
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
        need("reason", text(..).or_null().about("Why the content is missing.")),
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
