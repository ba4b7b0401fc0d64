//! `POST /api/messages/send`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use domain::access::rate_limiter::CallKind;
use domain::json::Value;
use engine::Deps;
use engine::messages::dry_run;
use engine::messages::dry_run::{Rehearsal, Rehearsed};
use engine::messages::send;
use engine::messages::send::{Progress, Sent};
use engine::ports::Recipient;
use serde::Serialize;

use crate::api::messages::idempotency;
use crate::api::messages::send_request::{Kind, Read, read_request};
use crate::api::request_context::RequestContext;
use crate::api::response;
use crate::api::response::object;
use crate::api::{ApiError, request_body};

/// Sends one message, or tells what would happen to it.
pub(crate) async fn send_message(
    State(deps): State<Arc<Deps>>,
    context: RequestContext,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let caller = context.authorise()?;
    let key = idempotency::key_of(&headers);
    let read = match request_body::bytes(&deps, &headers, body).await {
        Ok(bytes) => request_body::object(&bytes, false),
        Err(error) => Err(error),
    };
    let is_rehearsal = read
        .as_ref()
        .is_ok_and(|object| object.get("dry_run").is_some_and(|flag| *flag == Value::Bool(true)));
    if is_rehearsal {
        context.count_call(&deps, &caller, CallKind::Other)?;
        let Read { request, .. } = read_request(read?, Kind::Single, deps.now())?;
        let rehearsal = dry_run::rehearse(&deps, &caller, &request).await?;
        return Ok(response::success(StatusCode::OK, &show_rehearsal(rehearsal)));
    }
    let repeat = match (&key, &read) {
        (Ok(Some(key)), Ok(object)) => Some(idempotency::Repeat::new(key, "/api/messages/send", object)),
        _ => None,
    };
    let _running = match repeat.as_ref().map(|repeat| repeat.enter(&deps, &caller)) {
        Some(Ok(running)) => Some(running),
        Some(Err(error)) => {
            context.count_call(&deps, &caller, CallKind::Other)?;
            return Err(error);
        }
        None => None,
    };
    if let Some(repeat) = &repeat
        && let Some(known) = repeat.look_up(&deps, &caller).await?
    {
        // A repetition costs no send.
        context.count_call(&deps, &caller, CallKind::Other)?;
        return repeat.answer(&deps, &caller, known).await;
    }
    context.count_call(&deps, &caller, CallKind::Send)?;
    key?;
    let Read { request, .. } = read_request(read?, Kind::Single, deps.now())?;
    let idempotency = repeat.as_ref().map(|repeat| repeat.idempotency(context.request_id()));
    match send::send(&deps, &caller, request, idempotency).await {
        Ok(sent) => {
            let (status, answer) = Answer::of(&sent);
            Ok(response::success(status, &answer))
        }
        Err(send::SendError::KeyKnown(known)) => match &repeat {
            Some(repeat) => repeat.answer(&deps, &caller, *known).await,
            None => Err(send::SendError::KeyKnown(known).into()),
        },
        Err(error) => Err(error.into()),
    }
}

/// What is answered to a message that was accepted.
#[derive(Serialize)]
pub(crate) struct Answer<'a> {
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
    /// The answer with its HTTP status.
    pub(crate) fn of(sent: &'a Sent) -> (StatusCode, Self) {
        let (to, recipient) = match &sent.recipient {
            Recipient::Phone(number) => (Some(number.to_string()), None),
            Recipient::Bsuid(user) => (None, Some(user.as_str())),
        };
        let id = sent.id.to_string();
        let (http, status, message_id) = match &sent.progress {
            Progress::Sent { wamid } => (StatusCode::OK, "sent", wamid.clone()),
            Progress::Unknown => (StatusCode::ACCEPTED, "unknown", id.clone()),
            Progress::Queued => (StatusCode::ACCEPTED, "queued", id.clone()),
        };
        let answer = Self {
            message_id,
            status,
            id,
            to,
            recipient,
            account: sent.account.to_string(),
            client_reference: sent.client_reference.as_deref(),
            sent_as: sent.sent_as.as_str(),
        };
        (http, answer)
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
