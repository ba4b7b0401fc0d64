//! The body of a send, read with every fault in one answer.

use domain::check::{Fields, Item, JsonPointer, Violations};
use domain::contacts::bsuid::Bsuid;
use domain::contacts::phone::PhoneNumber;
use domain::json::{Object, Value};
use domain::messages::content::{Content, MessageKind};
use engine::messages::send::{Addressee, SendRequest, When};
use engine::ports::OnUnknown;
use jiff::{SignedDuration, Timestamp};

use crate::api::error::ApiError;

/// The longest reference of a caller, in characters.
pub(crate) const MAX_REFERENCE: usize = 512;
/// The longest wamid that is taken, in characters; Meta's are below 256.
pub(crate) const MAX_WAMID: usize = 512;
/// The longest key for repeated requests, in characters.
pub(crate) const MAX_KEY: usize = 255;
/// How far ahead a message can be scheduled.
const MAX_AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long a message may be valid: 30 days in seconds, as long as Meta itself keeps one.
pub(crate) const MAX_VALID_FOR: i64 = 30 * 86_400;

/// How a message is to be sent, where the caller does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request of its own: sync, unless it asks for the queue.
    Single,
    /// The n-th item of a batch, from 0: always through the queue.
    Item(u32),
}

/// A request, read.
#[derive(Debug)]
pub(crate) struct Read {
    /// The message.
    pub(crate) request: SendRequest,
    /// The key for repeated requests that an item of a batch carries.
    pub(crate) idempotency_key: Option<String>,
}

/// Reads a request: the shape, every limit of Meta's, the phone number. All faults are told at once.
pub(crate) fn read_request(mut object: Object, kind: Kind, now: Timestamp) -> Result<Read, ApiError> {
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
    let request = SendRequest {
        to,
        content,
        account: envelope.account,
        context_wamid: envelope.context_wamid,
        client_reference: envelope.client_reference,
        recipient_identity_key_hash: envelope.identity_key_hash,
        when: envelope.when,
        valid_for: envelope.valid_for,
        fallback,
        on_unknown: envelope.on_unknown,
    };
    Ok(Read { request, idempotency_key: envelope.idempotency_key })
}

/// A request without the object that its type names.
struct Envelope {
    to: Option<Addressee>,
    kind: Option<MessageKind>,
    account: Option<String>,
    context_wamid: Option<String>,
    client_reference: Option<String>,
    identity_key_hash: Option<String>,
    when: When,
    valid_for: Option<SignedDuration>,
    on_unknown: OnUnknown,
    idempotency_key: Option<String>,
}

fn read_envelope(fields: &Fields<'_, '_>, item: Kind, now: Timestamp) -> Envelope {
    let kind = fields.required("type").choice(&MessageKind::ALL.map(|kind| (kind.as_str(), kind)));
    for other in MessageKind::ALL {
        let name = other.as_str();
        match kind {
            Some(kind) if kind == other => {
                // Its shape is checked with its type's own rules; here only whether it is there.
                let _checked_later = fields.required(name).is_present();
            }
            Some(kind) => fields.forbidden(name, &format!("does not belong to the type `{}`", kind.as_str())),
            None => {
                let _cannot_be_judged = fields.optional(name).is_present();
            }
        }
    }
    let to = read_recipient(fields);
    read_meta_envelope(fields);
    let _checked_later = fields.optional("fallback_template").is_present();
    let when = read_when(fields, item, now);
    let on_unknown = fields
        .optional("on_unknown")
        .choice(&[("hold", OnUnknown::Hold), ("resend", OnUnknown::Resend)])
        .unwrap_or_default();
    let idempotency_key = match item {
        Kind::Single => None,
        Kind::Item(_) => fields.optional("idempotency_key").string(1..=MAX_KEY).map(str::to_owned),
    };
    let context = fields.optional("context");
    let context_wamid = context.object().and_then(|context| {
        let wamid = context.required("message_id").string(1..=MAX_WAMID).map(str::to_owned);
        context.finish();
        wamid
    });
    if context.is_present() && kind.is_some_and(|kind| !kind.allows_context()) {
        context.refuse("is not allowed with a reaction: the reaction names its message itself");
    }
    let reference = fields.at_most_one(&["client_reference", "biz_opaque_callback_data"]);
    let client_reference =
        reference.and_then(|(_, reference)| reference.string(1..=MAX_REFERENCE)).map(str::to_owned);
    match item {
        Kind::Single => {
            let _read_before = fields.optional("dry_run").boolean();
        }
        Kind::Item(_) => fields.forbidden("dry_run", "is not allowed in a batch: try one message by itself"),
    }
    Envelope {
        to,
        kind,
        account: fields.optional("whatsapp_account").string(1..=200).map(str::to_owned),
        context_wamid,
        client_reference,
        identity_key_hash: fields.optional("recipient_identity_key_hash").string(1..=256).map(str::to_owned),
        when,
        valid_for: fields.optional("valid_for").integer(1..=MAX_VALID_FOR).map(SignedDuration::from_secs),
        on_unknown,
        idempotency_key,
    }
}

/// Now and here, or from the queue, perhaps later.
fn read_when(fields: &Fields<'_, '_>, item: Kind, now: Timestamp) -> When {
    let mode = fields.optional("mode");
    let asked = mode.one_of(&["sync", "queue"]);
    let send_at = fields.optional("send_at");
    let at = send_at.string(..).and_then(|text| match text.parse::<Timestamp>() {
        Ok(at) if at.duration_since(now) > MAX_AHEAD => {
            send_at.refuse("must be at most 30 days ahead");
            None
        }
        Ok(at) => Some(at),
        Err(_) => {
            send_at.refuse("must be a time such as 2026-05-29T10:30:00Z (RFC 3339)");
            None
        }
    });
    if asked == Some("sync") && send_at.is_present() {
        mode.refuse("must be `queue` with `send_at`: what is scheduled goes through the queue");
    }
    match item {
        Kind::Item(n) => {
            if asked == Some("sync") {
                mode.refuse("must be `queue` in a batch");
            }
            When::Batch(n, at)
        }
        Kind::Single if asked == Some("queue") || at.is_some() => When::Queue(at),
        Kind::Single => When::Sync,
    }
}

fn read_recipient(fields: &Fields<'_, '_>) -> Option<Addressee> {
    const NAMES: [&str; 3] = ["to", "recipient", "contact"];
    let Some((name, item)) = fields.at_most_one(&NAMES) else {
        let _missing = fields.required("to");
        return None;
    };
    match name {
        "to" => checked(item, |text| PhoneNumber::parse(text).map(Addressee::Phone)),
        "recipient" => checked(item, |text| Bsuid::parse(text).map(Addressee::User)),
        _ => checked(item, |text| text.parse().map(Addressee::Contact)),
    }
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

/// What a body of the Cloud API carries and we fill in ourselves.
fn read_meta_envelope(fields: &Fields<'_, '_>) {
    let _only_one = fields.optional("messaging_product").one_of(&["whatsapp"]);
    let recipient_type = fields.optional("recipient_type");
    if recipient_type.string(..) == Some("group") {
        recipient_type.refuse("must be `individual`: messages to groups are not supported");
    } else {
        let _only_one = recipient_type.one_of(&["individual"]);
    }
}
