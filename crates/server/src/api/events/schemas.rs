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
                required(
                    "sequence",
                    Schema::integer(1..).about(
                        "Position of the event. It ascends for each contact: order the events of a contact by it. \
                         Repeated deliveries have the same sequence.",
                    ),
                ),
                required("timestamp", Schema::time()),
                optional("test", only_true().about(TEST)),
                required("data", data_schema(*kind)),
            ]);
            (schema_name(*kind), event.about(kind.description().trim()))
        })
        .collect();
    let event = Schema::discriminated(
        "event",
        EventKind::ALL.iter().map(|kind| (kind.as_str(), schema_name(*kind).to_owned())),
    );
    schemas.extend([
        ("Event", event),
        ("ErasedEventData", erased_data()),
        ("OutboundEventData", outbound_data()),
        ("IncomingEventData", incoming_data()),
        ("ContactEventData", contact_data()),
        ("TemplateEventData", template_data()),
        ("AccountEventData", account_data()),
        ("WebhookEventData", webhook_data()),
    ]);
    schemas
}

/// Documentation of `test`.
const TEST: &str = "`true`: an example, sent by `POST /api/webhooks/{id}/test`. Nothing has happened.";

/// Name of the schema of an event.
const fn schema_name(kind: EventKind) -> &'static str {
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
        EventKind::WebhookDisabled => "WebhookDisabledEvent",
        EventKind::WebhookTest => "WebhookTestEvent",
    }
}

fn data_schema(kind: EventKind) -> Schema {
    match kind {
        EventKind::MessageIncoming => erasable("IncomingEventData"),
        EventKind::MessageQueued
        | EventKind::MessageSent
        | EventKind::MessageDelivered
        | EventKind::MessageRead
        | EventKind::MessagePlayed
        | EventKind::MessageFailed
        | EventKind::MessageUnknown
        | EventKind::MessageExpired
        | EventKind::MessageCanceled => erasable("OutboundEventData"),
        EventKind::ContactCreated | EventKind::ContactUpdated => erasable("ContactEventData"),
        EventKind::TemplateStatus => Schema::reference("TemplateEventData"),
        EventKind::AccountStatus => Schema::reference("AccountEventData"),
        EventKind::WebhookDisabled | EventKind::WebhookTest => Schema::reference("WebhookEventData"),
    }
}

/// Data of a contact, which may have been erased.
fn erasable(name: &str) -> Schema {
    Schema::any_of([Schema::reference(name), Schema::reference("ErasedEventData")])
}

fn erased_data() -> Schema {
    Schema::object([required("id", Schema::uuid()), required("erased", only_true())]).about(
        "Data of an event whose contact has been \
         erased.",
    )
}

fn nullable_string() -> Schema {
    Schema::string(..).or_null()
}

fn outbound_data() -> Schema {
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
        required("to", nullable_string()),
        required("recipient", nullable_string()),
        required("type", Schema::string(1..)),
        required("client_reference", nullable_string()),
        required("whatsapp_account_id", Schema::uuid()),
        required("at", Schema::time()),
        required("error", Schema::reference("Failure").or_null()),
        required("pricing", Schema::reference("Pricing").or_null()),
        required("sent_as", Schema::enumeration(["message", "template"])),
        optional(
            "mode",
            Schema::constant("echo").about(
                "The message was sent with another program, such as the WhatsApp Business app. Only then, \
                 `message.sent` has the content of the message: `text`, `context`, `media_id`, and the object with the \
                 name of the type, except for `text`.",
            ),
        ),
        optional("text", nullable_string().about("Text of an echo, if its type has text.")),
        optional("context", context().or_null()),
        optional("media_id", Schema::uuid().about("ID of the file of an echo, for `GET /api/media/{id}`.")),
    ])
    .set("additionalProperties", true)
}

fn incoming_data() -> Schema {
    Schema::object([
        required("id", Schema::uuid().about("Waypost's ID.")),
        required("message_id", Schema::string(1..).about("Meta's ID.")),
        required("from", nullable_string()),
        required("user_id", nullable_string()),
        required("username", nullable_string().about("WhatsApp user name of the customer.")),
        required("contact_id", Schema::uuid()),
        required("contact_name", nullable_string()),
        required(
            "type",
            Schema::string(1..).about(
                "Meta's message type. Except for `text`, the object with the name of the \
             type is present, too.",
            ),
        ),
        required("text", nullable_string().about("Text of the message, if its type has text.")),
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
        required("message_id", nullable_string().about("Message that this message replies to.")),
        optional("forwarded", only_true()),
        optional("frequently_forwarded", only_true()),
        optional("referred_product", Schema::any().about("Product that the message is about.")),
    ])
}

fn only_true() -> Schema {
    Schema::boolean().set("const", true)
}

fn contact_data() -> Schema {
    Schema::object([
        required("id", Schema::uuid()),
        required("phone_number", nullable_string()),
        required("user_id", nullable_string()),
        required("name", nullable_string()),
        required("username", nullable_string().about("WhatsApp user name.")),
        required("tags", Schema::array(Schema::string(1..), ..)),
        required("stage", nullable_string()),
        required("email", nullable_string()),
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

fn template_data() -> Schema {
    Schema::object([
        required("id", Schema::uuid().or_null()),
        required("waba_id", Schema::string(1..)),
        required("name", Schema::string(..)),
        required("language", Schema::string(..)),
        required("change", Schema::enumeration(["status", "category", "quality", "components"])),
        required("status", nullable_string()),
        required("category", nullable_string()),
        required("quality", nullable_string()),
        required("reason", nullable_string()),
    ])
}

fn account_data() -> Schema {
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
        required("name", nullable_string()),
        required("change", Schema::enumeration(changes)),
        required("status", nullable_string()),
        required("status_reason", nullable_string()),
        required("quality_rating", nullable_string()),
        required(
            "messaging_limit",
            Schema::object([required("tier", nullable_string()), optional("used_24h", Schema::integer(0..))])
                .or_null(),
        ),
        required("field", nullable_string().about("Meta's name of the webhook field.")),
        required("details", Schema::any().about("Meta's data.")),
    ])
}

fn webhook_data() -> Schema {
    Schema::object([
        required("webhook_id", Schema::uuid()),
        required("name", Schema::string(..)),
        required("reason", nullable_string()),
    ])
}
