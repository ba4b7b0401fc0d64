//! The header `Idempotency-Key`, and responses to repeated requests.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use engine::ports::CachedResponse;

use crate::api::error::ApiError;
use crate::api::openapi::schema::Schema;

/// Maximum length of a key.
pub(crate) const MAX_KEY: usize = 255;

pub(crate) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Name of the header of a response to a repeated request.
pub(crate) const REPLAYED_HEADER: &str = "Idempotent-Replayed";
/// Description of [`REPLAYED_HEADER`].
pub(crate) const REPLAYED_DESCRIPTION: &str =
    "`true`: this is the response to the first request with this key.";

/// Returns the schema of the header `Idempotency-Key`.
pub(crate) fn key_schema() -> Schema {
    Schema::string(1..=MAX_KEY).set("pattern", "^[ -~]+$")
}

/// Returns the value of the header `Idempotency-Key`.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let invalid = |reason: String| Err(ApiError::invalid_at("/Idempotency-Key", reason));
    let mut values = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return invalid("appears twice".to_owned());
    }
    match value.to_str() {
        Ok("") => invalid("must not be empty".to_owned()),
        Ok(key) if key.len() > MAX_KEY => {
            invalid(format!("must be at most {MAX_KEY} characters, is {}", key.len()))
        }
        // A tab is valid in a header.
        Ok(key) if !key.contains('\t') => Ok(Some(key.to_owned())),
        Ok(_) | Err(_) => invalid("must be visible ASCII characters".to_owned()),
    }
}

/// Returns the stored response to the first request.
pub(crate) fn replayed(cached: &CachedResponse) -> Response {
    let mut response = Response::new(Body::from(cached.body.clone()));
    *response.status_mut() = StatusCode::from_u16(cached.status).unwrap_or(StatusCode::OK);
    if !cached.body.is_empty() {
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    }
    with_replayed_header(response)
}

/// Adds the header `Idempotent-Replayed`.
pub(crate) fn with_replayed_header(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}
