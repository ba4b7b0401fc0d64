//! `POST /api/messages/send`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::Scope;
use domain::allowance::CallKind;
use domain::check::{Fields, Item, Place, Violations};
use domain::content::{Content, MessageKind};
use domain::json::{Object, Value};
use domain::phone::{PhoneNumber, UserId};
use engine::Deps;
use engine::ports::Recipient;
use engine::send::{self, Addressee, Rehearsal, Rehearsed, SendRequest, Sent};
use jiff::Timestamp;
use serde::Serialize;

use super::answer::{self, object};
use super::visit::Visit;
use super::{ApiError, body};

/// The longest reference of a caller, in characters.
const MAX_REFERENCE: usize = 512;
/// The longest wamid that is taken, in characters; Meta's are below 256.
const MAX_WAMID: usize = 512;

/// Sends one message, or tells what would happen to it.
pub(crate) async fn send_message(
    State(deps): State<Arc<Deps>>,
    visit: Visit,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = visit.authorise(Scope::Send)?;
    let read = match body::bytes(&headers, body).await {
        Ok(bytes) => body::object(&bytes, false),
        Err(error) => Err(error),
    };
    let is_rehearsal = read
        .as_ref()
        .is_ok_and(|object| object.get("dry_run").is_some_and(|flag| *flag == Value::Bool(true)));
    visit.spend(&deps, &caller, if is_rehearsal { CallKind::Other } else { CallKind::Send })?;
    let request = read_request(read?, deps.now())?;
    if is_rehearsal {
        let rehearsal = send::rehearse(&deps, &caller, &request).await?;
        return Ok(answer::success(StatusCode::OK, &show_rehearsal(rehearsal)));
    }
    let sent = send::send(&deps, &caller, request).await?;
    let status = if sent.wamid.is_some() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(answer::success(status, &Answer::of(&sent)))
}

#[derive(Serialize)]
struct Answer<'a> {
    message_id: String,
    status: &'static str,
    id: String,
    to: Option<String>,
    recipient: Option<&'a str>,
    account: String,
    client_reference: Option<&'a str>,
    sent_as: &'static str,
}

impl<'a> Answer<'a> {
    fn of(sent: &'a Sent) -> Self {
        let (to, recipient) = match &sent.recipient {
            Recipient::Phone(number) => (Some(number.to_string()), None),
            Recipient::User(user) => (None, Some(user.as_str())),
        };
        Self {
            message_id: sent.wamid.clone().unwrap_or_else(|| sent.id.to_string()),
            status: if sent.wamid.is_some() { "sent" } else { "unknown" },
            id: sent.id.to_string(),
            to,
            recipient,
            account: sent.account.to_string(),
            client_reference: sent.client_reference.as_deref(),
            sent_as: "message",
        }
    }
}

fn show_rehearsal(rehearsal: Rehearsal) -> Value {
    let would_send = rehearsal.would_send();
    let request =
        rehearsal.request.and_then(|body| serde_json::from_slice::<Value>(&body).ok()).unwrap_or(Value::Null);
    let checks = rehearsal.checks.into_iter().map(show_check).collect();
    object([("would_send", would_send.into()), ("request", request), ("checks", Value::Array(checks))])
}

fn show_check(check: Rehearsed) -> Value {
    let error = check.error.map(ApiError::from);
    let code = error.as_ref().map_or(Value::Null, |error| error.code().as_str().into());
    let reason = error.as_ref().map_or(Value::Null, |error| error.message().into());
    let details = error
        .as_ref()
        .filter(|error| !error.details().is_empty())
        .map_or(Value::Null, |error| Value::Object(error.details().clone()));
    object([
        ("name", check.name.into()),
        ("ok", error.is_none().into()),
        ("code", code),
        ("reason", reason),
        ("details", details),
    ])
}

/// Reads a request: the shape, every limit of Meta's, the phone number. All faults are told at once.
fn read_request(mut object: Object, now: Timestamp) -> Result<SendRequest, ApiError> {
    let found = Violations::new();
    let fields = Fields::read(&object, Place::root(), &found);
    let envelope = read_envelope(&fields);
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
    let parts = found.result((envelope.to, content)).map_err(ApiError::invalid)?;
    let (Some(to), Some(content)) = parts else {
        return Err(ApiError::invalid_at("", "the request is not complete"));
    };
    Ok(SendRequest {
        to,
        content,
        account: envelope.account,
        context_wamid: envelope.context_wamid,
        client_reference: envelope.client_reference,
        recipient_identity_key_hash: envelope.identity_key_hash,
    })
}

/// A request without the object that its type names.
struct Envelope {
    to: Option<Addressee>,
    kind: Option<MessageKind>,
    account: Option<String>,
    context_wamid: Option<String>,
    client_reference: Option<String>,
    identity_key_hash: Option<String>,
}

fn read_envelope(fields: &Fields<'_, '_>) -> Envelope {
    let kind = fields.required("type").choice(&MessageKind::ALL);
    for (name, other) in MessageKind::ALL {
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
    read_not_yet(fields);
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
    let _read_before = fields.optional("dry_run").boolean();
    Envelope {
        to,
        kind,
        account: fields.optional("whatsapp_account").string(1..=200).map(str::to_owned),
        context_wamid,
        client_reference,
        identity_key_hash: fields.optional("recipient_identity_key_hash").string(1..=256).map(str::to_owned),
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
        "recipient" => checked(item, |text| UserId::parse(text).map(Addressee::User)),
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

/// What the contract has and this version does not do: refused by name rather than ignored.
fn read_not_yet(fields: &Fields<'_, '_>) {
    let mode = fields.optional("mode");
    if mode.one_of(&["sync", "queue"]) == Some("queue") {
        mode.refuse("must be `sync`: the queue is not part of this version");
    }
    let on_unknown = fields.optional("on_unknown");
    if on_unknown.one_of(&["hold", "resend"]) == Some("resend") {
        on_unknown.refuse("must be `hold`: resending is not part of this version");
    }
    for name in ["send_at", "valid_for", "fallback_template"] {
        fields.forbidden(name, "is not part of this version");
    }
}
