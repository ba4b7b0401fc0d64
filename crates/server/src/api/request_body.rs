//! Readers of bodies and queries. An error response lists all violations.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use domain::check::{Fields, JsonPointer, Violations};
use domain::json::{Object, Value};

use crate::api::body_encoding::encoding_error;
use crate::api::error::{ApiError, Code};
use crate::request_bodies::bounded;
use crate::request_bodies::bounded::BoundError;
use crate::request_bodies::bounds::MAX_FORM_OVERHEAD;
use crate::request_bodies::budget::RETRY_AFTER;

/// Returns the media type in `Content-Type`, in lower case and without its parameters. Empty without the header.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let header = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    header.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The error of a body with a media type that the operation does not accept.
pub(crate) fn unsupported_type(media_type: &str, accepted: &str) -> ApiError {
    let found = match media_type {
        "" => "The body has no `Content-Type`.".to_owned(),
        name => format!("The body has the type `{name}`."),
    };
    ApiError::new(Code::UnsupportedMediaType, format!("{found} {accepted}"))
}

/// The error of a body that could not be read to its end.
pub(crate) fn unreadable(error: &(dyn std::error::Error + 'static), reason: &str) -> ApiError {
    match bounded::bound_error(error) {
        Some(bound) => bound.into(),
        None => encoding_error(error).unwrap_or_else(|| ApiError::invalid_at("", reason)),
    }
}

impl From<BoundError> for ApiError {
    fn from(error: BoundError) -> Self {
        match error {
            BoundError::TooLarge(limit) => {
                Self::new(Code::PayloadTooLarge, format!("The body is larger than {limit} bytes."))
                    .with("limit_bytes", i64::try_from(limit).unwrap_or(i64::MAX))
            }
            BoundError::FormTooLarge => Self::new(
                Code::PayloadTooLarge,
                format!("The form has more than {MAX_FORM_OVERHEAD} bytes outside of its file."),
            )
            .with("limit_bytes", i64::try_from(MAX_FORM_OVERHEAD).unwrap_or(i64::MAX)),
            BoundError::TooManyValues => Self::invalid_at("", error.to_string()),
            BoundError::NotWhole(within) => Self::new(
                Code::RequestTimeout,
                format!("The body did not arrive within {} s.", within.as_secs()),
            ),
            BoundError::NoProgress(within) => Self::new(
                Code::RequestTimeout,
                format!("Too little of the body arrived within {} s.", within.as_secs()),
            ),
            BoundError::Overloaded(_) => Self::new(
                Code::Overloaded,
                format!(
                    "The memory for the bodies of requests is in use. Nothing was changed or sent. Try again in \
                     {RETRY_AFTER} s."
                ),
            )
            .retry_after(RETRY_AFTER),
        }
    }
}

/// Returns `true` for the types of JSON, and for bodies without a type.
fn is_json_type(name: &str) -> bool {
    matches!(name, "" | "application/json" | "text/json") || name.ends_with("+json")
}

/// Types that programs name if their developer names none, whatever a body is. `curl -d` names a form.
const DEFAULT_TYPES: [&str; 3] =
    ["application/x-www-form-urlencoded", "text/plain", "application/octet-stream"];

fn not_json(name: &str) -> ApiError {
    unsupported_type(name, "Send JSON, with the header `Content-Type: application/json`.")
}

/// Removes the UTF-8 byte order mark, which some editors and programs write before a text.
fn without_byte_order_mark(mut bytes: Bytes) -> Bytes {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        drop(bytes.split_to(3));
    }
    bytes
}

/// Reads a whole body of JSON, decoded and without a byte order mark. The type is checked before the body is read.
pub(crate) async fn bytes(headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let name = media_type(headers);
    let is_json = is_json_type(&name);
    // Some clients name a type although a body is empty.
    if !is_json && !DEFAULT_TYPES.contains(&name.as_str()) && !body.is_end_stream() {
        return Err(not_json(&name));
    }
    let read = bounded::collect(body).await;
    let bytes = without_byte_order_mark(read.map_err(|error| unreadable(&error, "the body is incomplete"))?);
    let looks_like_json = bytes.trim_ascii_start().first().is_none_or(|first| matches!(first, b'{' | b'['));
    if is_json || looks_like_json { Ok(bytes) } else { Err(not_json(&name)) }
}

/// Reads a body as a JSON object. With `may_be_empty`, an empty body is an empty object.
pub(crate) fn object(bytes: &[u8], may_be_empty: bool) -> Result<Object, ApiError> {
    if may_be_empty && bytes.iter().all(u8::is_ascii_whitespace) {
        return Ok(Object::new());
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ApiError::invalid_at("", format!("the body is not UTF-8: {error}")))?;
    let value: Value = serde_json::from_str(text)
        .map_err(|error| ApiError::invalid_at("", format!("the body is not JSON: {error}")))?;
    if let Some(nul) = value.find_nul() {
        return Err(ApiError::invalid_at(&nul.pointer, "must not contain the character U+0000"));
    }
    let kind = value.kind_name();
    match value {
        Value::Object(object) => Ok(object),
        Value::Null
        | Value::Bool(_)
        | Value::Int(_)
        | Value::Float(_)
        | Value::String(_)
        | Value::Array(_) => {
            Err(ApiError::invalid_at("", format!("the body must be a JSON object, not {kind}")))
        }
    }
}

/// Reads a whole body, which must be a JSON object.
pub(crate) async fn json(headers: &HeaderMap, body: Body) -> Result<Object, ApiError> {
    object(&bytes(headers, body).await?, false)
}

/// Reads the body of an operation without fields: no body, or an object without members.
pub(crate) async fn empty(headers: &HeaderMap, body: Body) -> Result<(), ApiError> {
    read(&object(&bytes(headers, body).await?, true)?, |_| ())
}

/// Rejects every query parameter.
pub(crate) fn reject_query(text: Option<&str>) -> Result<(), ApiError> {
    read(&query(text)?, |_| ())
}

/// Reads a query as an object of texts. A repeated parameter is rejected. [`crate::api::request_head`] has checked its length.
pub(crate) fn query(query: Option<&str>) -> Result<Object, ApiError> {
    let mut object = Object::new();
    for (name, value) in url::form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if value.contains('\0') || name.contains('\0') {
            return Err(ApiError::invalid_at(&format!("/{name}"), "must not contain the character U+0000"));
        }
        if object.insert(&name, value.into_owned()).is_some() {
            return Err(ApiError::invalid_at(&format!("/{name}"), "appears twice"));
        }
    }
    Ok(object)
}

/// Reads the fields of an object. Fields that are not read are rejected as unknown.
pub(crate) fn read<T>(object: &Object, f: impl FnOnce(&Fields<'_, '_>) -> T) -> Result<T, ApiError> {
    let found = Violations::new();
    let fields = Fields::read(object, JsonPointer::root(), &found);
    let value = f(&fields);
    fields.finish();
    found.result(value).map_err(ApiError::invalid)
}
