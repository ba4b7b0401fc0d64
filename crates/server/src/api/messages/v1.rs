//! The second dialect: `POST /v1/messages`, for clients of the hosted service's other public API.
//!
//! The body is the Cloud API's, which `POST /api/messages/send` takes as it is, so the handler is the same one; only the
//! answer is put into other words on its way out.
//!
//! **Invariant:** nothing is decided here. Keys, permissions, limits, `Idempotency-Key` and HTTP statuses are those of `/api`; a key
//! for repeated requests that was used in one dialect answers in the other.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Extension, Request};
use axum::handler::Handler;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{any, post};
use domain::access::permission::Permission;
use domain::json::{Object, Value};
use engine::Deps;
use tower_http::catch_panic::CatchPanicLayer;

use crate::api::error::ApiError;
use crate::api::messages::send;
use crate::api::middleware::V1_SEND_PATH;
use crate::api::route_access::RouteAccess;
use crate::api::{middleware, response};
use crate::http_options::HttpOptions;

/// Error code of all responses with status 429 under `/v1`.
pub(crate) const V1_RATE_LIMIT_CODE: &str = "rate_limit_exceeded";

/// The routes under `/v1`.
pub(crate) fn router(deps: &Arc<Deps>, web: &Arc<HttpOptions>) -> Router {
    let send = send::send_message.layer(Extension(RouteAccess::Permission(Permission::SendMessages)));
    Router::new()
        .route(V1_SEND_PATH, post(send).fallback(middleware::method_not_allowed))
        .route("/v1", any(middleware::route_not_found))
        .route("/v1/", any(middleware::route_not_found))
        .route("/v1/{*rest}", any(middleware::route_not_found))
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(middleware::handler_panicked))
        .layer(axum::middleware::from_fn_with_state((deps.clone(), web.clone()), middleware::process_request))
        .layer(axum::middleware::from_fn(translate))
        .with_state(deps.clone())
}

/// Puts an answer into this dialect; its status and headers stay.
async fn translate(request: Request, next: Next) -> Response {
    let (mut parts, body) = next.run(request).await.into_parts();
    // Our own answers: they are whole and small.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let words = match serde_json::from_slice::<Object>(&bytes) {
        Ok(answer) => in_other_words(answer, parts.status, &parts.headers),
        Err(_) => {
            let error = ApiError::internal();
            parts.status = error.code().status();
            let mut answer = Object::new();
            answer.insert("message", error.message());
            answer.insert("code", error.code().as_str());
            in_other_words(answer, parts.status, &parts.headers)
        }
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let written = response::json(parts.status, &words);
    Response::from_parts(parts, Body::new(written.into_body()))
}

fn in_other_words(mut answer: Object, status: StatusCode, headers: &HeaderMap) -> Object {
    let mut words = Object::new();
    words.insert("success", status.is_success());
    if status.is_success() {
        match answer.remove("data") {
            Some(Value::Object(sent)) if sent.get("message_id").is_some() => {
                let text = |name| sent.get(name).and_then(Value::as_str);
                let recipient = text("to").map(|to| to.trim_start_matches('+')).or_else(|| text("recipient"));
                words.insert("message_id", text("message_id").unwrap_or_default());
                words.insert("status", text("status").unwrap_or_default());
                words.insert("recipient", recipient.unwrap_or_default());
            }
            // What a dry run found.
            Some(data) => {
                words.insert("data", data);
            }
            None => {}
        }
        return words;
    }
    let mut error = Object::new();
    let code = answer.remove("code");
    let code = if status == StatusCode::TOO_MANY_REQUESTS { Some(V1_RATE_LIMIT_CODE.into()) } else { code };
    error.insert("code", code.unwrap_or(Value::Null));
    error.insert("message", answer.remove("message").unwrap_or(Value::Null));
    let wait = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    if let Some(wait) = wait {
        error.insert("retry_after_seconds", wait);
    }
    for name in ["details", "request_id"] {
        if let Some(value) = answer.remove(name) {
            error.insert(name, value);
        }
    }
    words.insert("error", Value::Object(error));
    words
}
