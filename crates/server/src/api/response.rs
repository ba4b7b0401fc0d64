//! Responses.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use domain::json::{Object, Value};
use jiff::Timestamp;
use serde::Serialize;

use crate::api::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Serialize)]
struct Success<'a, T> {
    status: &'static str,
    data: &'a T,
}

#[derive(Serialize)]
struct Failure<'a> {
    status: &'static str,
    message: &'a str,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Object>,
    request_id: &'a str,
}

/// Returns a response with a JSON body.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    let body = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    response
}

/// Returns the body of [`success`].
pub(crate) fn success_bytes(data: &impl Serialize) -> Bytes {
    serde_json::to_vec(&Success { status: "success", data }).unwrap_or_default().into()
}

/// Returns the body of [`failure`].
pub(crate) fn failure_bytes(error: &ApiError, request_id: &str) -> Bytes {
    serde_json::to_vec(&failure_body(error, request_id)).unwrap_or_default().into()
}

fn failure_body<'a>(error: &'a ApiError, request_id: &'a str) -> Failure<'a> {
    let details = Some(error.details()).filter(|details| !details.is_empty());
    Failure { status: "error", message: error.message(), code: error.code().as_str(), details, request_id }
}

/// Adds `X-Request-Id`.
pub(crate) fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Returns a response `{"status":"success","data":…}`.
pub(crate) fn success(status: StatusCode, data: &impl Serialize) -> Response {
    json(status, &Success { status: "success", data })
}

/// Returns a response with status 204.
pub(crate) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Mark of a response that contains a secret, in its extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ContainsSecret;

/// Adds `Cache-Control: no-store` and the mark [`ContainsSecret`] to a response that contains a secret.
pub(crate) fn secret(mut response: Response) -> Response {
    response.extensions_mut().insert(ContainsSecret);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Returns a response `{"status":"error",…}`, with `Retry-After` if the error has one.
pub(crate) fn failure(error: &ApiError, request_id: &str) -> Response {
    let mut response = json(error.code().status(), &failure_body(error, request_id));
    if let Some(seconds) = error.retry_after_seconds() {
        set(&mut response, header::RETRY_AFTER, seconds);
    }
    response
}

/// Sets a header to a number.
pub(crate) fn set(response: &mut Response, name: HeaderName, value: impl Into<i64>) {
    response.headers_mut().insert(name, HeaderValue::from(value.into()));
}

/// Number of whole seconds until a time, rounded up: at least 1, as in `Retry-After`.
pub(crate) fn seconds_until(until: Timestamp, now: Timestamp) -> u32 {
    let ms = until.duration_since(now).as_millis();
    u32::try_from(ms.max(0).saturating_add(999) / 1000).unwrap_or(u32::MAX).max(1)
}

/// Returns a JSON object with these members.
pub(crate) fn object<const N: usize>(members: [(&str, Value); N]) -> Value {
    let mut object = Object::new();
    for (name, value) in members {
        object.insert(name, value);
    }
    Value::Object(object)
}
