//! The request body of a send. The error response lists all violations.

use crate::api::openapi::schema::Schema;
use domain::check::RequestSchema;
use domain::check::{Fields, Item, JsonPointer, Violations};
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::json::{Object, Value};
use domain::messages::content::{Content, MessageKind};
use domain::time::rfc3339;
use engine::messages::request::{RecipientAddress, SendRequest, SendTiming};
use engine::ports::OnUnknown;
use jiff::{SignedDuration, Timestamp};

use crate::api::error::ApiError;
use crate::api::idempotency_key::MAX_KEY;

/// Maximum length of `client_reference`, in characters.
pub(crate) const MAX_REFERENCE: usize = 512;
/// Maximum length of an id of Meta, in characters. Meta's ids are shorter than 256 characters.
pub(crate) const MAX_WAMID: usize = 512;
/// Maximum time until a scheduled message is sent.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Maximum time by which `send_at` may be in the past: clocks of clients differ, and requests take time.
const MAX_PAST: SignedDuration = SignedDuration::from_secs(60);
/// Maximum of `valid_for`: 30 days in seconds, as long as Meta tries to deliver a message.
pub(crate) const MAX_VALID_FOR: i64 = 30 * 86_400;

/// Origin of a request to send a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SendOrigin {
    /// A request with one message, which is sent synchronously by default.
    SingleRequest,
    /// Item of a batch, with its index from 0. It is always queued.
    BatchItem(u32),
}

/// Parses a request, with the limits of Meta. The error lists all violations.
pub(crate) fn read_request(
    mut object: Object,
    kind: SendOrigin,
    now: Timestamp,
) -> Result<SendRequest, ApiError> {
    let found = Violations::new();
    let fields = Fields::read(&object, JsonPointer::root(), &found);
    let envelope = read_envelope(&fields, kind, now);
    fields.finish();
    let content = envelope.kind.and_then(|kind| {
        let value = object.remove(kind.as_str()).filter(|value| *value != Value::Null)?;
        match Content::read(kind, value, &format!("/{}", kind.as_str()), now) {
            Ok(content) => Some(content),
            Err(violations) => {
                found.extend(violations);
                None
            }
        }
    });
    let fallback =
        object.remove("fallback_template").filter(|value| *value != Value::Null).and_then(|value| {
            let read = Content::read(MessageKind::Template, value, "/fallback_template", now);
            read.map_err(|violations| found.extend(violations)).ok()
        });
    let parts = found.result((envelope.to, content)).map_err(ApiError::invalid)?;
    let (Some(to), Some(content)) = parts else {
        return Err(ApiError::invalid_at("", "the request is not complete"));
    };
    Ok(SendRequest {
        to,
        content,
        account: envelope.account,
        context_wamid: envelope.context_wamid,
        batch: None,
        client_reference: envelope.client_reference,
        recipient_identity_key_hash: envelope.identity_key_hash,
        timing: envelope.timing,
        valid_for: envelope.valid_for,
        fallback,
        on_unknown: envelope.on_unknown,
    })
}

/// Fields of a request besides the object that its type names.
struct Envelope {
    to: Option<RecipientAddress>,
    kind: Option<MessageKind>,
    account: Option<String>,
    context_wamid: Option<String>,
    client_reference: Option<String>,
    identity_key_hash: Option<String>,
    timing: SendTiming,
    valid_for: Option<SignedDuration>,
    on_unknown: OnUnknown,
}

fn read_envelope(fields: &Fields<'_, '_>, origin: SendOrigin, now: Timestamp) -> Envelope {
    let kinds = MessageKind::ALL.map(|kind| (kind.as_str(), kind));
    let kind = fields.required("type").choice_with(&kinds, TYPE_SYNONYMS);
    read_fields(fields, kind, origin, now)
}

/// Names of the schemas of a message and of an item of a batch.
const fn schema_names(kind: MessageKind) -> (&'static str, &'static str) {
    match kind {
        MessageKind::Text => ("TextMessage", "BatchTextMessage"),
        MessageKind::Template => ("TemplateMessage", "BatchTemplateMessage"),
        MessageKind::Image => ("ImageMessage", "BatchImageMessage"),
        MessageKind::Video => ("VideoMessage", "BatchVideoMessage"),
        MessageKind::Document => ("DocumentMessage", "BatchDocumentMessage"),
        MessageKind::Audio => ("AudioMessage", "BatchAudioMessage"),
        MessageKind::Sticker => ("StickerMessage", "BatchStickerMessage"),
        MessageKind::Location => ("LocationMessage", "BatchLocationMessage"),
        MessageKind::Contacts => ("ContactsMessage", "BatchContactsMessage"),
        MessageKind::Reaction => ("ReactionMessage", "BatchReactionMessage"),
        MessageKind::Interactive => ("InteractiveMessage", "BatchInteractiveMessage"),
    }
}

/// Describes a request: one schema for each type of message.
pub(crate) fn describe_send_request(request: Item<'_, '_>, origin: SendOrigin) {
    let now = Timestamp::UNIX_EPOCH;
    let variants = MessageKind::ALL.map(|kind| {
        let (message, batch_message) = schema_names(kind);
        (kind.as_str(), if origin == SendOrigin::SingleRequest { message } else { batch_message }, kind)
    });
    if let Some(fields) = request.object() {
        fields.variants("type", &variants, |fields, name, kind| {
            Content::check(kind, fields.required(name), now);
            read_fields(fields, Some(kind), origin, now);
            Content::check(MessageKind::Template, fields.optional("fallback_template"), now);
        });
    }
}

/// Reads the fields besides the type and the object that the type names.
fn read_fields(
    fields: &Fields<'_, '_>,
    kind: Option<MessageKind>,
    origin: SendOrigin,
    now: Timestamp,
) -> Envelope {
    check_content_fields(fields, kind);
    let to = read_recipient(fields);
    read_meta_envelope(fields);
    let fallback = fields.optional("fallback_template");
    let _checked_later =
        fallback.about("Template that is sent instead when the 24-hour window is closed.").is_present();
    let timing = read_timing(fields, origin, now);
    let on_unknown = fields
        .optional("on_unknown")
        .about(
            "Action if the outcome of a send is not known. `hold` (default): wait for a status from Meta. `resend`: \
             send the message once more.",
        )
        .choice(&[("hold", OnUnknown::Hold), ("resend", OnUnknown::Resend)])
        .unwrap_or_default();
    if let SendOrigin::BatchItem(_) = origin {
        let _used_by_the_batch = fields
            .optional("idempotency_key")
            .about("Key with which the same item can be sent again without sending the message twice.")
            .string(1..=MAX_KEY);
    }
    let context_wamid = if fields.is_described() && kind == Some(MessageKind::Reaction) {
        None
    } else {
        read_context(fields.optional("context"), kind)
    };
    let client_reference = fields
        .at_most_one(&["client_reference", "biz_opaque_callback_data"], |_, item| {
            item.string(1..=MAX_REFERENCE)
        })
        .map(str::to_owned);
    match origin {
        SendOrigin::SingleRequest => {
            let _read_before = fields
                .optional("dry_run")
                .about("`true`: nothing is stored or sent; the response has the result of every check.")
                .boolean();
        }
        SendOrigin::BatchItem(_) => fields.forbidden(
            "dry_run",
            "is not allowed in a batch: send one message with `POST /api/messages/send`",
        ),
    }
    Envelope {
        to,
        kind,
        account: fields
            .optional("whatsapp_account")
            .about("ID or name of the account that sends the message. Default: the default account.")
            .string(1..=200)
            .map(str::to_owned),
        context_wamid,
        client_reference,
        identity_key_hash: fields
            .optional("recipient_identity_key_hash")
            .about("Meta sends the message only if the recipient's identity key has this hash.")
            .string(1..=256)
            .map(str::to_owned),
        timing,
        valid_for: fields
            .optional("valid_for")
            .about("Seconds after which a message expires if it is not sent.")
            .integer(1..=MAX_VALID_FOR)
            .map(SignedDuration::from_secs),
        on_unknown,
    }
}

/// Checks that the request has the object that the type names, and no object of another type.
fn check_content_fields(fields: &Fields<'_, '_>, kind: Option<MessageKind>) {
    for other in MessageKind::ALL {
        let name = other.as_str();
        match kind {
            Some(kind) if kind == other => {
                // `Content` checks the object; here only its presence is checked.
                let _checked_later = fields.required(name).is_present();
            }
            Some(kind) => fields.forbidden(name, &format!("does not belong to the type `{}`", kind.as_str())),
            None => {
                let _cannot_be_judged = fields.optional(name).is_present();
            }
        }
    }
}

/// Words for a mode in other APIs.
const MODE_SYNONYMS: &[(&str, &str)] = &[
    ("async", "queue"),
    ("asynchronous", "queue"),
    ("background", "queue"),
    ("batch", "queue"),
    ("later", "queue"),
    ("scheduled", "queue"),
    ("immediate", "sync"),
    ("now", "sync"),
    ("wait", "sync"),
];

/// Words for a type of message in other APIs.
const TYPE_SYNONYMS: &[(&str, &str)] = &[
    ("button", "interactive"),
    ("buttons", "interactive"),
    ("list", "interactive"),
    ("flow", "interactive"),
    ("product", "interactive"),
    ("contact", "contacts"),
    ("vcard", "contacts"),
    ("file", "document"),
    ("pdf", "document"),
    ("photo", "image"),
    ("picture", "image"),
    ("ptt", "audio"),
    ("voice", "audio"),
    ("emoji", "reaction"),
    ("hsm", "template"),
    ("message", "text"),
    ("chat", "text"),
];

/// Documentation of `mode`.
const MODE: &str = "`sync` (default): the response comes after the response of Meta. `queue`: the response comes when the message \
                    is in the queue.";
/// Documentation of `mode` in a batch.
const QUEUED: &str = "Messages of a batch are always queued.";

/// Reads the message that the new message replies to.
fn read_context(context: Item<'_, '_>, kind: Option<MessageKind>) -> Option<String> {
    let wamid = context.shared("ReplyContext", |context| {
        let fields = context.object()?;
        fields.about("Message that this message replies to.");
        let wamid = fields.required("message_id").about("Meta's ID of the message.").string(1..=MAX_WAMID);
        fields.finish();
        wamid.map(str::to_owned)
    });
    if context.is_present() && kind.is_some_and(|kind| !kind.allows_context()) {
        context.refuse(
            "is not allowed with a reaction: the field `message_id` of the reaction names the message",
        );
    }
    wamid.flatten()
}

/// Reads the mode and the time of a send.
fn read_timing(fields: &Fields<'_, '_>, origin: SendOrigin, now: Timestamp) -> SendTiming {
    let is_described_item = fields.is_described() && origin != SendOrigin::SingleRequest;
    let mode = fields.optional("mode").about(if is_described_item { QUEUED } else { MODE });
    let modes: &[&str] = if is_described_item { &["queue"] } else { &["sync", "queue"] };
    let requested = mode.one_of_with(modes, MODE_SYNONYMS);
    let send_at = fields.optional("send_at").about(SEND_AT);
    let at = read_send_at(&send_at, now);
    if requested == Some("sync") && send_at.is_present() {
        mode.refuse("must be `queue` with `send_at`: scheduled messages are queued");
    }
    match origin {
        SendOrigin::BatchItem(n) => {
            if requested == Some("sync") {
                mode.refuse("must be `queue` in a batch");
            }
            SendTiming::Batch { index: n, send_at: at }
        }
        SendOrigin::SingleRequest if requested == Some("queue") || at.is_some() => SendTiming::Queue(at),
        SendOrigin::SingleRequest => SendTiming::Sync,
    }
}

/// Documentation of `send_at`.
pub(crate) const SEND_AT: &str =
    "Time at which the message is sent: at most 30 days ahead, at most 60 seconds in the past.";

/// Reads the requested send time of a message.
pub(crate) fn read_send_at(item: &Item<'_, '_>, now: Timestamp) -> Option<Timestamp> {
    let send_at = item.format("date-time").example("2026-05-29T10:30:00.000Z");
    match send_at.string(..)?.parse::<Timestamp>() {
        Ok(at) if at.duration_since(now) > MAX_AHEAD => {
            send_at.refuse("must be at most 30 days ahead");
            None
        }
        Ok(at) if now.duration_since(at) > MAX_PAST => {
            let seconds = MAX_PAST.as_secs();
            send_at
                .refuse(format!("must not be more than {seconds} s in the past; it is now {}", rfc3339(now)));
            None
        }
        Ok(at) => Some(at),
        Err(_) => {
            send_at.refuse("must be a time such as 2026-05-29T10:30:00.000Z (RFC 3339)");
            None
        }
    }
}

fn read_recipient(fields: &Fields<'_, '_>) -> Option<RecipientAddress> {
    const NAMES: [&str; 3] = ["to", "recipient", "contact"];
    fields.exactly_one_or_main(&NAMES, "to", |name, item| match name {
        "to" => checked(
            item.about("Phone number in international format.")
                .example("+447700900123")
                .keyword("minLength", 1),
            |text| PhoneNumber::parse(text).map(RecipientAddress::Phone),
        ),
        "recipient" => {
            checked(item.about("Meta's business-scoped user ID.").keyword("minLength", 1), |text| {
                Bsuid::parse(text).map(RecipientAddress::User)
            })
        }
        _ => checked(item.about("ID of a contact.").format("uuid"), |text| {
            text.parse().map(RecipientAddress::Contact)
        }),
    })
}

fn checked<T, E: std::fmt::Display>(
    item: Item<'_, '_>,
    parse: impl FnOnce(&str) -> Result<T, E>,
) -> Option<T> {
    match parse(item.string(..)?) {
        Ok(value) => Some(value),
        Err(error) => {
            item.refuse(error.to_string());
            None
        }
    }
}

/// Reads fields of the Cloud API that Waypost sets itself.
fn read_meta_envelope(fields: &Fields<'_, '_>) {
    const ACCEPTED: &str = "Accepted for compatibility with the Cloud API.";
    let _only_one = fields.optional("messaging_product").about(ACCEPTED).one_of(&["whatsapp"]);
    let recipient_type = fields.optional("recipient_type").about(ACCEPTED);
    if recipient_type.string(..) == Some("group") {
        recipient_type.refuse("must be `individual`: messages to groups are not supported");
    } else {
        let _only_one = recipient_type.one_of(&["individual"]);
    }
}

/// Returns the schema of the body of a send.
pub(crate) fn send_request_schema() -> RequestSchema {
    let described = RequestSchema::of_value(|request| {
        request.shared("SendMessageRequest", |request| {
            describe_send_request(request, SendOrigin::SingleRequest)
        });
    });
    RequestSchema { schema: Schema::reference("SendMessageRequest").into(), ..described }
}
