//! Events.

use crate::api::events::kinds::ALL_EVENTS;
use crate::api::events::list::read_paging;
use crate::api::events::query::EventQuery;
use domain::check::RequestSchema;
use domain::contacts::opt_out::OptOutReason;
use domain::events::EventKind;
use domain::messages::status::MessageStatus;

use crate::api::openapi::operation::{Answer, Operation};
use crate::api::openapi::schema::{
    Schema, any_object, any_of, anything, boolean, id, integer, list, may, named, need, shown, tagged, text,
    time, word,
};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    let filtered = |operation: Operation, is_list: bool| {
        operation.reads_query(RequestSchema::of_query(|fields| {
            if is_list {
                let _described = read_paging(fields);
            }
            let _described = EventQuery::read(None, fields, None);
        }))
    };
    vec![
        filtered(Operation::new(
            "list_events",
            "List events",
            "Returns the events after a position, oldest first. With `wait`, the response comes as soon as \
             there is an event. No event is left out or repeated.",
        ), true)
        .gives(
            200,
            "Events.",
            shown([
                need("events", list(named("Event"), ..)),
                need("next_cursor", text(1..).or_null().about("Value of `after` for the next request.")),
                need("has_more", boolean().about("`true`: there are more events.")),
                may("gap", only_true().about("`true`: events after the position have been deleted and are \
                     missing from the response.")),
            ]),
            r#"{"events":[{"id":"01a2b3c4-0000-7000-8000-000000000009","event":"message.sent","timestamp":"2026-05-29T10:30:01Z",
                "data":{"id":"01a2b3c4-0000-7000-8000-000000000001","message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA",
                "status":"sent","event_status":"sent","to":"+15550100001","recipient":null,"type":"text","client_reference":"order 7",
                "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","at":"2026-05-29T10:30:01Z","error":null,"pricing":null,
                "sent_as":"message"}}],"next_cursor":"01a2b3c4-0000-7000-8000-000000000009","has_more":false}"#,
        ),
        filtered(Operation::new(
            "stream_events",
            "Stream events",
            "Streams the events after a position, and all later events, as Server-Sent Events with `id`, \
             `event` and `data`. `data` is the JSON of the event. An event `gap` without `id` means that \
             events have been deleted and are missing from the stream. `EventSource` continues after the last \
             event that it received.",
        ), false)
        .header("Last-Event-ID", "ID of the last received event. Overrides `after`.", id())
        .answer(Answer {
            status: 200,
            about: "Stream of events without an end.",
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
    let mut schemas: Vec<(&'static str, Schema)> = EventKind::ALL
        .iter()
        .map(|kind| {
            let event = shown([
                need("id", id().about("ID of the event. Repeated deliveries have the same ID.")),
                need("event", crate::api::openapi::schema::only(kind.as_str())),
                need("timestamp", time()),
                need("data", data_of(*kind)),
            ]);
            (name_of(*kind), event.about(kind.description().trim()))
        })
        .collect();
    let event = tagged("event", EventKind::ALL.iter().map(|kind| (kind.as_str(), name_of(*kind).to_owned())));
    schemas.extend([
        ("Event", event),
        ("ErasedEventData", erased()),
        ("OutboundEventData", outbound()),
        ("IncomingEventData", incoming()),
        ("ContactEventData", person()),
        ("TemplateEventData", template()),
        ("AccountEventData", account()),
        ("WebhookEventData", webhook()),
    ]);
    schemas
}

/// Name of the schema of an event.
const fn name_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::MessageIncoming => "MessageIncomingEvent",
        EventKind::MessageQueued => "MessageQueuedEvent",
        EventKind::MessageSent => "MessageSentEvent",
        EventKind::MessageDelivered => "MessageDeliveredEvent",
        EventKind::MessageRead => "MessageReadEvent",
        EventKind::MessagePlayed => "MessagePlayedEvent",
        EventKind::MessageFailed => "MessageFailedEvent",
        EventKind::MessageUnknown => "MessageUnknownEvent",
        EventKind::MessageExpired => "MessageExpiredEvent",
        EventKind::MessageCanceled => "MessageCanceledEvent",
        EventKind::ContactCreated => "ContactCreatedEvent",
        EventKind::ContactUpdated => "ContactUpdatedEvent",
        EventKind::TemplateStatus => "TemplateStatusEvent",
        EventKind::AccountStatus => "AccountStatusEvent",
        EventKind::CampaignCompleted => "CampaignCompletedEvent",
        EventKind::TransferCreated => "TransferCreatedEvent",
        EventKind::WebhookDisabled => "WebhookDisabledEvent",
        EventKind::WebhookTest => "WebhookTestEvent",
    }
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
    shown([need("id", id()), need("erased", only_true())]).about(
        "Data of an event whose contact has been \
         erased.",
    )
}

fn some() -> Schema {
    text(..).or_null()
}

fn outbound() -> Schema {
    let status = || word(MessageStatus::ALL.map(MessageStatus::as_str));
    shown([
        need("id", id().about("Waypost's ID.")),
        need("message_id", text(1..).about("Meta's message ID; Waypost's ID until Meta's is known.")),
        need("status", status().about("Present status of the message.")),
        need(
            "event_status",
            status().about(
                "Status that this event reports. The message may have a later status \
             already.",
            ),
        ),
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
        need("id", id().about("Waypost's ID.")),
        need("message_id", text(1..).about("Meta's ID.")),
        need("from", some()),
        need("user_id", some()),
        need("contact_id", id()),
        need("contact_name", some()),
        need(
            "type",
            text(1..).about(
                "Meta's message type. Except for `text`, the object with the name of the \
             type is present, too.",
            ),
        ),
        need("text", some().about("Text of the message, if its type has text.")),
        need("whatsapp_account_id", id()),
        need("at", time()),
        need("context", context().or_null()),
        may("media_id", id().about("ID of the file of the message, for `GET /api/media/{id}`.")),
        may(
            "referral",
            anything().about(
                "Advertisement or post from which the customer wrote, as Meta \
             describes it.",
            ),
        ),
        may("errors", anything().about("Meta's reason for not delivering the original message.")),
        may("group_id", text(1..).about("ID of the group in which the message was sent.")),
    ])
    .set("additionalProperties", true)
}

fn context() -> Schema {
    shown([
        need("message_id", some().about("Message that this message replies to.")),
        may("forwarded", only_true()),
        may("frequently_forwarded", only_true()),
        may("referred_product", anything().about("Product that the message is about.")),
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
        need("changes", list(text(1..), ..).about("Names of the changed fields. Empty for a new contact.")),
        may(
            "merged_contact_id",
            id().about(
                "ID of a contact of the same person that was merged into this \
             contact.",
            ),
        ),
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
        need("field", some().about("Meta's name of the webhook field.")),
        need("details", anything().about("Meta's data.")),
    ])
}

fn webhook() -> Schema {
    shown([need("webhook_id", id()), need("name", text(..)), need("reason", some())])
}
