//! Schemas of events.

use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::optional;
use crate::api::openapi::schema::required;
use domain::contacts::opt_out::OptOutReason;
use domain::events::EventKind;
use domain::messages::status::MessageStatus;

/// Returns the named schemas of events.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let mut schemas: Vec<(&'static str, Schema)> = EventKind::ALL
        .iter()
        .map(|kind| {
            let event = Schema::object([
                required(
                    "id",
                    Schema::uuid().about("ID of the event. Repeated deliveries have the same ID."),
                ),
                required("event", Schema::constant(kind.as_str())),
                required("timestamp", Schema::time()),
                required("data", data_of(*kind)),
            ]);
            (name_of(*kind), event.about(kind.description().trim()))
        })
        .collect();
    let event = Schema::discriminated(
        "event",
        EventKind::ALL.iter().map(|kind| (kind.as_str(), name_of(*kind).to_owned())),
    );
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
        EventKind::TemplateStatus => Schema::reference("TemplateEventData"),
        EventKind::AccountStatus => Schema::reference("AccountEventData"),
        EventKind::WebhookDisabled | EventKind::WebhookTest => Schema::reference("WebhookEventData"),
        EventKind::CampaignCompleted | EventKind::TransferCreated => Schema::any_object(),
    }
}

/// What is told of a person may have been erased since.
fn of_a_person(name: &str) -> Schema {
    Schema::any_of([Schema::reference(name), Schema::reference("ErasedEventData")])
}

fn erased() -> Schema {
    Schema::object([required("id", Schema::uuid()), required("erased", only_true())]).about(
        "Data of an event whose contact has been \
         erased.",
    )
}

fn some() -> Schema {
    Schema::string(..).or_null()
}

fn outbound() -> Schema {
    let status = || Schema::enumeration(MessageStatus::ALL.map(MessageStatus::as_str));
    Schema::object([
        required("id", Schema::uuid().about("Waypost's ID.")),
        required(
            "message_id",
            Schema::string(1..).about("Meta's message ID; Waypost's ID until Meta's is known."),
        ),
        required("status", status().about("Present status of the message.")),
        required(
            "event_status",
            status().about(
                "Status that this event reports. The message may have a later status \
             already.",
            ),
        ),
        required("to", some()),
        required("recipient", some()),
        required("type", Schema::string(1..)),
        required("client_reference", some()),
        required("whatsapp_account_id", Schema::uuid()),
        required("at", Schema::time()),
        required("error", Schema::reference("Failure").or_null()),
        required("pricing", Schema::reference("Pricing").or_null()),
        required("sent_as", Schema::enumeration(["message", "template"])),
    ])
}

fn incoming() -> Schema {
    Schema::object([
        required("id", Schema::uuid().about("Waypost's ID.")),
        required("message_id", Schema::string(1..).about("Meta's ID.")),
        required("from", some()),
        required("user_id", some()),
        required("contact_id", Schema::uuid()),
        required("contact_name", some()),
        required(
            "type",
            Schema::string(1..).about(
                "Meta's message type. Except for `text`, the object with the name of the \
             type is present, too.",
            ),
        ),
        required("text", some().about("Text of the message, if its type has text.")),
        required("whatsapp_account_id", Schema::uuid()),
        required("at", Schema::time()),
        required("context", context().or_null()),
        optional(
            "media_id",
            Schema::uuid().about("ID of the file of the message, for `GET /api/media/{id}`."),
        ),
        optional(
            "referral",
            Schema::any().about(
                "Advertisement or post from which the customer wrote, as Meta \
             describes it.",
            ),
        ),
        optional("errors", Schema::any().about("Meta's reason for not delivering the original message.")),
        optional("group_id", Schema::string(1..).about("ID of the group in which the message was sent.")),
    ])
    .set("additionalProperties", true)
}

fn context() -> Schema {
    Schema::object([
        required("message_id", some().about("Message that this message replies to.")),
        optional("forwarded", only_true()),
        optional("frequently_forwarded", only_true()),
        optional("referred_product", Schema::any().about("Product that the message is about.")),
    ])
}

fn only_true() -> Schema {
    Schema::boolean().set("const", true)
}

fn person() -> Schema {
    Schema::object([
        required("id", Schema::uuid()),
        required("phone_number", some()),
        required("user_id", some()),
        required("name", some()),
        required("tags", Schema::array(Schema::string(1..), ..)),
        required("stage", some()),
        required("email", some()),
        required("custom_fields", Schema::any_object()),
        required("opted_out", Schema::boolean()),
        required(
            "opted_out_reason",
            Schema::enumeration(OptOutReason::ALL.map(OptOutReason::as_str)).or_null(),
        ),
        required(
            "changes",
            Schema::array(Schema::string(1..), ..)
                .about("Names of the changed fields. Empty for a new contact."),
        ),
        optional(
            "merged_contact_id",
            Schema::uuid().about(
                "ID of a contact of the same person that was merged into this \
             contact.",
            ),
        ),
    ])
}

fn template() -> Schema {
    Schema::object([
        required("id", Schema::uuid().or_null()),
        required("waba_id", Schema::string(1..)),
        required("name", Schema::string(..)),
        required("language", Schema::string(..)),
        required("change", Schema::enumeration(["status", "category", "quality", "components"])),
        required("status", some()),
        required("category", some()),
        required("quality", some()),
        required("reason", some()),
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
    Schema::object([
        required("whatsapp_account_id", Schema::uuid().or_null()),
        required("waba_id", Schema::string(1..)),
        required("name", some()),
        required("change", Schema::enumeration(changes)),
        required("status", some()),
        required("status_reason", some()),
        required("quality_rating", some()),
        required(
            "messaging_limit",
            Schema::object([required("tier", some()), optional("used_24h", Schema::integer(0..))]).or_null(),
        ),
        required("field", some().about("Meta's name of the webhook field.")),
        required("details", Schema::any().about("Meta's data.")),
    ])
}

fn webhook() -> Schema {
    Schema::object([
        required("webhook_id", Schema::uuid()),
        required("name", Schema::string(..)),
        required("reason", some()),
    ])
}
