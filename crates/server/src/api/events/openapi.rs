//! Events.

use domain::contacts::opt_out::OptOutReason;
use domain::events::EventKind;
use domain::messages::status::MessageStatus;

use crate::api::events::kinds::ALL_EVENTS;
use crate::api::events::list::{MAX_PER_PAGE, MAX_WAIT, PER_PAGE};
use crate::api::openapi::operation::{Answer, Operation};
use crate::api::openapi::schema::{
    Schema, any_object, any_of, anything, boolean, id, integer, list, may, named, need, one_of, shown, text,
    time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let narrowed = |operation: Operation| {
        let after = any_of([id(), crate::api::openapi::schema::only("latest")]);
        operation
            .query("after", "The id of an event: those after it. `latest`: those from now on. Without it: all that are kept.", after)
            .query("events", "Kinds, parted by commas; `*` alone is all of them.", list(any_kind(), 1..))
            .query("account", "Id or name of an account.", text(1..))
    };
    vec![
        narrowed(Operation::new(
            "list_events",
            "Ask for events",
            "The events after a position, oldest first; with `wait` the answer comes as soon as there is one. No gap, no \
             repeat.",
        ))
        .query("per_page", "Events in the answer.", integer(1..=MAX_PER_PAGE).default_of(PER_PAGE))
        .query("wait", "Seconds to wait for an event.", integer(0..=MAX_WAIT).default_of(0))
        .gives(
            200,
            "The events.",
            shown([
                need("events", list(named("Event"), ..)),
                need("next_cursor", text(1..).or_null().about("Where to go on: the next `after`.")),
                need("has_more", boolean().about("Whether there are more already.")),
                may("gap", only_true().about("`true`: events after the position are kept no longer, and were missed.")),
            ]),
            r#"{"events":[{"id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","timestamp":"2026-05-29T10:30:01Z",
                "data":{"id":"01a2b3c4-0000-7000-8000-000000000001","message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA",
                "status":"sent","event_status":"sent","to":"+15550100001","recipient":null,"type":"text","client_reference":"order 7",
                "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","at":"2026-05-29T10:30:01Z","error":null,"pricing":null,
                "sent_as":"message"}}],"next_cursor":"01a2b3c4-0000-7000-8000-000000000009","has_more":false}"#,
        ),
        narrowed(Operation::new(
            "stream_events",
            "Stream events",
            "The events after a position and all that come, as Server-Sent Events: `id`, `event` and `data`, which is the \
             same JSON as elsewhere; an event `gap` without `id` says that some were missed. `EventSource` goes on by itself where its last connection ended.",
        ))
        .header("Last-Event-ID", "The last event that you got; counts more than `after`.", id())
        .answer(Answer {
            status: 200,
            about: "The stream; it does not end.",
            content: Some(("text/event-stream", text(..))),
            example: Some(STREAM.into()),
            headers: Vec::new(),
        }),
    ]
}

const STREAM: &str = ": the events of this workspace\nretry: 1000\n\nid: 01a2b3c4-0000-7000-8000-000000000009\n\
    event: message.sent\ndata: {\"id\":\"01a2b3c4-0000-7000-8000-000000000009\",\"event\":\"message.sent\",…}\n\n";

/// A kind of event.
pub(crate) fn kind() -> Schema {
    word(EventKind::ALL.iter().map(|kind| kind.as_str()))
}

/// A kind of event, or all of them.
pub(crate) fn any_kind() -> Schema {
    word(EventKind::ALL.iter().map(|kind| kind.as_str()).chain([ALL_EVENTS]))
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let shapes: Vec<Schema> = EventKind::ALL
        .iter()
        .map(|kind| {
            shown([
                need("id", id().about("Its place in the log; the same however often it is posted.")),
                need("event", crate::api::openapi::schema::only(kind.as_str())),
                need("timestamp", time()),
                need("data", data_of(*kind)),
            ])
            .about(kind.description().trim())
            .set("title", kind.as_str())
        })
        .collect();
    vec![
        ("Event", one_of(shapes)),
        ("ErasedEventData", erased()),
        ("OutboundEventData", outbound()),
        ("IncomingEventData", incoming()),
        ("ContactEventData", person()),
        ("TemplateEventData", template()),
        ("AccountEventData", account()),
        ("WebhookEventData", webhook()),
    ]
}

fn data_of(kind: EventKind) -> Schema {
    match kind {
        EventKind::MessageIncoming => of_a_person("IncomingEventData"),
        EventKind::MessageQueued
        | EventKind::MessageSent
        | EventKind::MessageDelivered
        | EventKind::MessageRead
        | EventKind::MessagePlayed
        | EventKind::MessageFailed
        | EventKind::MessageUnknown
        | EventKind::MessageExpired
        | EventKind::MessageCanceled => of_a_person("OutboundEventData"),
        EventKind::ContactCreated | EventKind::ContactUpdated => of_a_person("ContactEventData"),
        EventKind::TemplateStatus => named("TemplateEventData"),
        EventKind::AccountStatus => named("AccountEventData"),
        EventKind::WebhookDisabled | EventKind::WebhookTest => named("WebhookEventData"),
        EventKind::CampaignCompleted | EventKind::TransferCreated => any_object(),
    }
}

/// What is told of a person may have been erased since.
fn of_a_person(name: &str) -> Schema {
    any_of([named(name), named("ErasedEventData")])
}

fn erased() -> Schema {
    shown([need("id", id()), need("erased", only_true())]).about("What is left when the person was erased.")
}

fn some() -> Schema {
    text(..).or_null()
}

fn outbound() -> Schema {
    let status = || word(MessageStatus::ALL.map(MessageStatus::as_str));
    shown([
        need("id", id().about("Ours.")),
        need("message_id", text(1..).about("Meta's; ours until Meta's is known.")),
        need("status", status().about("Where the message stands.")),
        need("event_status", status().about("What this event tells: it may be behind `status`.")),
        need("to", some()),
        need("recipient", some()),
        need("type", text(1..)),
        need("client_reference", some()),
        need("whatsapp_account_id", id()),
        need("at", time()),
        need("error", named("Failure").or_null()),
        need("pricing", named("Pricing").or_null()),
        need("sent_as", word(["message", "template"])),
    ])
}

fn incoming() -> Schema {
    shown([
        need("id", id().about("Ours.")),
        need("message_id", text(1..).about("Meta's.")),
        need("from", some()),
        need("user_id", some()),
        need("contact_id", id()),
        need("contact_name", some()),
        need("type", text(1..).about("Meta's; the object of that name is there, too, but for `text`.")),
        need("text", some().about("The words, where the type has words.")),
        need("whatsapp_account_id", id()),
        need("at", time()),
        need("context", context().or_null()),
        may("media_id", id().about("The file that came with it: `GET /api/media/{id}`.")),
        may("referral", anything().about("The advertisement or post that led to it, in Meta's words.")),
        may("errors", anything().about("Why Meta could not deliver it as it was, in Meta's words.")),
        may("group_id", text(1..).about("The group that it was written to.")),
    ])
    .set("additionalProperties", true)
}

fn context() -> Schema {
    shown([
        need("message_id", some().about("The message that it answers.")),
        may("forwarded", only_true()),
        may("frequently_forwarded", only_true()),
        may("referred_product", anything().about("The product that it asks about.")),
    ])
}

fn only_true() -> Schema {
    boolean().set("const", true)
}

fn person() -> Schema {
    shown([
        need("id", id()),
        need("phone_number", some()),
        need("user_id", some()),
        need("name", some()),
        need("tags", list(text(1..), ..)),
        need("stage", some()),
        need("email", some()),
        need("custom_fields", any_object()),
        need("opted_out", boolean()),
        need("opted_out_reason", word(OptOutReason::ALL.map(OptOutReason::as_str)).or_null()),
        need(
            "changes",
            list(text(1..), ..).about("The names of the fields that changed; none for a new person."),
        ),
        may("merged_contact_id", id().about("Another contact that turned out to be the same person.")),
    ])
}

fn template() -> Schema {
    shown([
        need("id", id().or_null()),
        need("waba_id", text(1..)),
        need("name", text(..)),
        need("language", text(..)),
        need("change", word(["status", "category", "quality", "components"])),
        need("status", some()),
        need("category", some()),
        need("quality", some()),
        need("reason", some()),
    ])
}

fn account() -> Schema {
    let changes = [
        "status",
        "quality",
        "name",
        "messaging_limit",
        "throughput",
        "messaging_limit_used",
        "notice",
        "token_expiry",
    ];
    shown([
        need("whatsapp_account_id", id().or_null()),
        need("waba_id", text(1..)),
        need("name", some()),
        need("change", word(changes)),
        need("status", some()),
        need("status_reason", some()),
        need("quality_rating", some()),
        need("messaging_limit", shown([need("tier", some()), may("used_24h", integer(0..))]).or_null()),
        need("field", some().about("Meta's name of the webhook field that told it.")),
        need("details", anything().about("Meta's own words.")),
    ])
}

fn webhook() -> Schema {
    shown([need("webhook_id", id()), need("name", text(..)), need("reason", some())])
}
