//! `POST /api/messages/send`.

use crate::api::error::Code;
use crate::api::idempotency_key::{REPLAYED_DESCRIPTION, REPLAYED_HEADER, key_of, key_schema};
use crate::api::messages::send_request::send_request_schema;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::rate_limiter::CallKind;
use domain::json::Value;
use engine::Deps;
use engine::messages::outcome::SendError;
use engine::messages::{dry_run, send};

use crate::api::error::ApiError;
use crate::api::messages::dry_run::serialize_dry_run;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{SendOrigin, read_request};
use crate::api::messages::send_response::SendResponse;
use crate::api::request_context::RequestContext;
use crate::api::{request_body, response};

/// Sends one message. With `dry_run`, returns the results of the checks instead.
pub(crate) async fn send_message(
    State(deps): State<Arc<Deps>>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = context.authorize()?;
    let key = key_of(&headers);
    let read = match request_body::bytes(&headers, body).await {
        Ok(bytes) => request_body::object(&bytes, false),
        Err(error) => Err(error),
    };
    let is_dry_run = read
        .as_ref()
        .is_ok_and(|object| object.get("dry_run").is_some_and(|flag| *flag == Value::Bool(true)));
    if is_dry_run {
        context.count_call(&deps, &caller, CallKind::Other)?;
        key?;
        let request = read_request(read?, SendOrigin::SingleRequest, deps.now())?;
        let checked = dry_run::dry_run(&deps, &caller, &request).await?;
        return Ok(response::success(StatusCode::OK, &serialize_dry_run(checked)));
    }
    let repeat = match (&key, &read) {
        (Ok(Some(key)), Ok(object)) => {
            Some(idempotency::IdempotentRequest::new(key, "/api/messages/send", object))
        }
        _ => None,
    };
    let _running = match repeat.as_ref().map(|repeat| repeat.lock(&deps, &caller)) {
        Some(Ok(running)) => Some(running),
        Some(Err(error)) => {
            context.count_call(&deps, &caller, CallKind::Other)?;
            return Err(error);
        }
        None => None,
    };
    if let Some(repeat) = &repeat
        && let Some(known) = repeat.get_record(&deps, &caller).await?
    {
        // A repeated request does not count towards the rate limit of sends.
        context.count_call(&deps, &caller, CallKind::Other)?;
        return repeat.replay(&deps, &caller, known).await;
    }
    context.count_call(&deps, &caller, CallKind::Send)?;
    key?;
    let request = read_request(read?, SendOrigin::SingleRequest, deps.now())?;
    let idempotency = repeat.as_ref().map(|repeat| repeat.idempotency(context.request_id()));
    match send::send_message(&deps, &caller, request, idempotency).await {
        Ok(sent) => {
            let (status, body) = SendResponse::of(&sent);
            Ok(response::success(status, &body))
        }
        Err(SendError::IdempotencyKeyUsed(known)) => match &repeat {
            Some(repeat) => repeat.replay(&deps, &caller, *known).await,
            None => Err(SendError::IdempotencyKeyUsed(known).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// Error codes of a send, besides those of an invalid request.
pub(crate) const SEND_ERRORS: [Code; 17] = [
    Code::OutsideWindow,
    Code::TemplateNotApproved,
    Code::TemplatePaused,
    Code::TemplateParameters,
    Code::RecipientOptedOut,
    Code::RecipientMarketingLimited,
    Code::MetaError,
    Code::AccountNotFound,
    Code::ContactNotFound,
    Code::TemplateNotFound,
    Code::IdempotencyMismatch,
    Code::IdempotencyInProgress,
    Code::Pacing,
    Code::MetaRateLimited,
    Code::MetaUnavailable,
    Code::AccountDisconnected,
    Code::QueueFull,
];

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "send_message",
            "Send a message",
            "Sends one message. `type` names the type of the message; the object with the same name has the content, as in \
             Meta's Cloud API.\n\nWith `mode: sync`, the response comes after the response of Meta. With \
             `mode: queue` or `send_at`, the response comes immediately (202). An error 429 or 5xx guarantees \
             that nothing was sent: send the request again after `Retry-After` seconds, with the same \
             `Idempotency-Key`. With `dry_run`, nothing is stored or sent: the response has the result of \
             every check and the body for Meta.",
        )
        .header(
            "Idempotency-Key",
            "Makes the request safe to repeat for 24 hours: a repeated request with the same body gets the response to the first request.",
            key_schema(),
        )
        .body(send_request_schema(), EXAMPLES)
        .responds(
            200,
            "Meta accepted the message. With `dry_run`: the results of the checks.",
            Schema::any_of([Schema::reference("SentMessage"), Schema::reference("DryRun")]),
            SENT,
        )
        .response_header(REPLAYED_HEADER, REPLAYED_DESCRIPTION, Schema::constant("true"))
        .responds(
            202,
            "The message is in the queue (`queued`), or its outcome is not known \
             (`unknown`). Do not send the message again; read its status with `GET /api/messages/{id}`.",
            Schema::reference("SentMessage"),
            QUEUED,
        )
        .response_header(REPLAYED_HEADER, REPLAYED_DESCRIPTION, Schema::constant("true"))
        .errors(SEND_ERRORS),
    ]
}

const SENT: &str = r#"{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgARGBI5MDU1MTgxOUNEMjM5ODE4NzAA","status":"sent",
    "id":"01a2b3c4-0000-7000-8000-000000000001","to":"+15550100001","recipient":null,
    "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","client_reference":null,"sent_as":"message"}"#;

const QUEUED: &str = r#"{"message_id":"01a2b3c4-0000-7000-8000-000000000001","status":"queued",
    "id":"01a2b3c4-0000-7000-8000-000000000001","to":"+15550100001","recipient":null,
    "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","client_reference":"order 7","sent_as":"message"}"#;

const EXAMPLES: [(&str, &str); 16] = [
    ("text", r#"{"to":"+15550100001","type":"text","text":"Hello from Waypost"}"#),
    (
        "template",
        r#"{"to":"+15550100001","type":"template","template":{"name":"order_confirmation","language":"en",
            "components":[{"type":"body","parameters":[{"type":"text","text":"John"},{"type":"text","text":"ORD-789"}]}]}}"#,
    ),
    (
        "image",
        r#"{"to":"+15550100001","type":"image","image":{"link":"https://shop.example/blue.jpg","caption":"Blue"}}"#,
    ),
    (
        "uploaded_document",
        r#"{"to":"+15550100001","type":"document","document":{"id":"01a2b3c4-0000-7000-8000-00000000000a","filename":"invoice.pdf"}}"#,
    ),
    ("video", r#"{"to":"+15550100001","type":"video","video":{"link":"https://shop.example/blue.mp4"}}"#),
    ("audio", r#"{"to":"+15550100001","type":"audio","audio":{"link":"https://shop.example/hello.ogg"}}"#),
    (
        "sticker",
        r#"{"to":"+15550100001","type":"sticker","sticker":{"link":"https://shop.example/wave.webp"}}"#,
    ),
    (
        "location",
        r#"{"to":"+15550100001","type":"location","location":{"latitude":51.5014,"longitude":-0.1419,"name":"The shop","address":"1 High Street"}}"#,
    ),
    (
        "contacts",
        r#"{"to":"+15550100001","type":"contacts","contacts":[{"name":{"formatted_name":"Ada Byron","first_name":"Ada"},
            "phones":[{"phone":"+447700900123","type":"WORK"}]}]}"#,
    ),
    (
        "reaction",
        r#"{"to":"+15550100001","type":"reaction","reaction":{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA=","emoji":"👍"}}"#,
    ),
    (
        "buttons",
        r#"{"to":"+15550100001","type":"interactive","interactive":{"type":"button","body":{"text":"Will you come?"},
            "action":{"buttons":[{"type":"reply","reply":{"id":"yes","title":"Yes"}},{"type":"reply","reply":{"id":"no","title":"No"}}]}}}"#,
    ),
    (
        "list",
        r#"{"to":"+15550100001","type":"interactive","interactive":{"type":"list","body":{"text":"When does it suit you?"},
            "action":{"button":"Times","sections":[{"title":"Monday","rows":[{"id":"mo-9","title":"9:00"},{"id":"mo-10","title":"10:00","description":"The last one"}]}]}}}"#,
    ),
    (
        "link_button",
        r#"{"to":"+15550100001","type":"interactive","interactive":{"type":"cta_url","body":{"text":"Your parcel is on its way."},
            "action":{"name":"cta_url","parameters":{"display_text":"Follow it","url":"https://shop.example/track/7"}}}}"#,
    ),
    (
        "reply",
        r#"{"to":"+15550100001","type":"text","text":{"body":"Yes, we do: https://shop.example","preview_url":true},
            "context":{"message_id":"wamid.HBgLMTU1NTAxMDAwMDEVAgASGBQzQTYwOTU1MkZCMTlDMkQzMDlCQQA="},"client_reference":"ticket 12"}"#,
    ),
    (
        "queued",
        r#"{"to":"+15550100001","type":"text","text":"Your table is ready.","mode":"queue","valid_for":900,
            "fallback_template":{"name":"hello_world","language":"en_US"},"on_unknown":"resend","whatsapp_account":"sandbox"}"#,
    ),
    (
        "dry_run",
        r#"{"contact":"01a2b3c4-0000-7000-8000-000000000003","type":"text","text":"Hello","dry_run":true}"#,
    ),
];
