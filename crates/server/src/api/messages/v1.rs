//! `POST /v1/messages`, in the format of the hosted service's other public API.
//!
//! The request body is that of `POST /api/messages/send`, so the handler is the same. A middleware converts the response.
//!
//! **Invariant:** keys, permissions, limits, `Idempotency-Key` and HTTP statuses are those of `/api`. Both paths share the
//! records of used idempotency keys.

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
use crate::api::middleware::{MiddlewareState, V1_SEND_PATH};
use crate::api::route_access::RouteAccess;
use crate::api::{middleware, response};

/// Error code of all responses with status 429 under `/v1`.
pub(crate) const V1_RATE_LIMIT_CODE: &str = "rate_limit_exceeded";

/// Returns the router of the paths under `/v1`.
pub(crate) fn router(deps: &Arc<Deps>, state: &MiddlewareState) -> Router {
    let send = send::send_message.layer(Extension(RouteAccess::Permission(Permission::SendMessages)));
    Router::new()
        .route(V1_SEND_PATH, post(send).fallback(middleware::method_not_allowed))
        .route("/v1", any(middleware::route_not_found))
        .route("/v1/", any(middleware::route_not_found))
        .route("/v1/{*rest}", any(middleware::route_not_found))
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(middleware::handler_panicked))
        .layer(axum::middleware::from_fn_with_state(state.clone(), middleware::process_request))
        .layer(axum::middleware::from_fn(convert_response))
        .with_state(deps.clone())
}

/// Converts the body of a response. The status and the headers stay the same.
async fn convert_response(request: Request, next: Next) -> Response {
    let (mut parts, body) = next.run(request).await.into_parts();
    // All responses of the gateway are complete and small.
    let bytes = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let json = match serde_json::from_slice::<Object>(&bytes) {
        Ok(response_body) => v1_body(response_body, parts.status, &parts.headers),
        Err(_) => {
            let error = ApiError::internal();
            parts.status = error.code().status();
            let mut response_body = Object::new();
            response_body.insert("message", error.message());
            response_body.insert("code", error.code().as_str());
            v1_body(response_body, parts.status, &parts.headers)
        }
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    let written = response::json(parts.status, &json);
    Response::from_parts(parts, Body::new(written.into_body()))
}

/// Returns the body of a response in the format of `/v1`.
fn v1_body(mut response_body: Object, status: StatusCode, headers: &HeaderMap) -> Object {
    let mut json = Object::new();
    json.insert("success", status.is_success());
    if status.is_success() {
        match response_body.remove("data") {
            Some(Value::Object(sent)) if sent.get("message_id").is_some() => {
                let text = |name| sent.get(name).and_then(Value::as_str);
                let recipient = text("to").map(|to| to.trim_start_matches('+')).or_else(|| text("recipient"));
                json.insert("message_id", text("message_id").unwrap_or_default());
                json.insert("status", text("status").unwrap_or_default());
                json.insert("recipient", recipient.unwrap_or_default());
            }
            // Result of a dry run.
            Some(data) => {
                json.insert("data", data);
            }
            None => {}
        }
        return json;
    }
    let mut error = Object::new();
    let code = response_body.remove("code");
    let code = if status == StatusCode::TOO_MANY_REQUESTS { Some(V1_RATE_LIMIT_CODE.into()) } else { code };
    error.insert("code", code.unwrap_or(Value::Null));
    error.insert("message", response_body.remove("message").unwrap_or(Value::Null));
    let wait = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse::<i64>().ok());
    if let Some(wait) = wait {
        error.insert("retry_after_seconds", wait);
    }
    for name in ["details", "request_id"] {
        if let Some(value) = response_body.remove(name) {
            error.insert(name, value);
        }
    }
    json.insert("error", Value::Object(error));
    json
}
