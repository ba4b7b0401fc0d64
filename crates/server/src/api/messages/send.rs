//! `POST /api/messages/send`.

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
use crate::api::messages::dry_run::show_rehearsal;
use crate::api::messages::idempotency;
use crate::api::messages::send_request::{Kind, Read, read_request};
use crate::api::messages::send_response::SendResponse;
use crate::api::request_context::RequestContext;
use crate::api::{request_body, response};

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
        key?;
        let Read { request, .. } = read_request(read?, Kind::Single, deps.now())?;
        let rehearsal = dry_run::dry_run(&deps, &caller, &request).await?;
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
    match send::send_message(&deps, &caller, request, idempotency).await {
        Ok(sent) => {
            let (status, answer) = SendResponse::of(&sent);
            Ok(response::success(status, &answer))
        }
        Err(SendError::IdempotencyKeyUsed(known)) => match &repeat {
            Some(repeat) => repeat.answer(&deps, &caller, *known).await,
            None => Err(SendError::IdempotencyKeyUsed(known).into()),
        },
        Err(error) => Err(error.into()),
    }
}
