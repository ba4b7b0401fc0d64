//! Readers of bodies and queries. An error response lists all violations.

use axum::body::Body;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use domain::check::{Fields, JsonPointer, Violations};
use domain::json::{Object, Value};
use engine::Deps;
use jiff::{SignedDuration, Timestamp};

use crate::api::body_encoding::encoding_error;
use crate::api::error::{ApiError, Code};

/// Maximum size of a body: 5 MB.
const MAX_BODY: usize = 5_000_000;

/// Maximum time until a body, or the next chunk of a streamed body, has arrived.
pub(crate) const TIMEOUT: SignedDuration = SignedDuration::from_secs(60);

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
    encoding_error(error).unwrap_or_else(|| ApiError::invalid_at("", reason))
}

/// Accepts JSON types, and bodies without a type.
fn require_json_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let name = media_type(headers);
    let is_json = matches!(name.as_str(), "" | "application/json" | "text/json") || name.ends_with("+json");
    if is_json {
        return Ok(());
    }
    Err(unsupported_type(&name, "Send JSON, with the header `Content-Type: application/json`."))
}

/// Removes the UTF-8 byte order mark, which some editors and programs write before a text.
fn without_byte_order_mark(mut bytes: Bytes) -> Bytes {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        drop(bytes.split_to(3));
    }
    bytes
}

/// Reads a whole body of JSON, decoded and without a byte order mark.
pub(crate) async fn bytes(deps: &Deps, headers: &HeaderMap, body: Body) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::new(Code::PayloadTooLarge, format!("The body is larger than {MAX_BODY} bytes."))
            .with("limit_bytes", i64::try_from(MAX_BODY).unwrap_or(i64::MAX))
    };
    let content_length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    if content_length
        .and_then(|n| n.parse::<u64>().ok())
        .is_some_and(|n| usize::try_from(n).is_ok_and(|n| n > MAX_BODY))
    {
        return Err(too_large());
    }
    let deadline = deps.now().saturating_add(TIMEOUT).unwrap_or(Timestamp::MAX);
    let read = tokio::select! {
        biased;
        read = axum::body::to_bytes(body, MAX_BODY) => read,
        () = deps.clock.sleep_until(deadline) => {
            return Err(ApiError::new(Code::RequestTimeout, "The body did not arrive within 60 s."));
        }
    };
    match read {
        Ok(bytes) => {
            let bytes = without_byte_order_mark(bytes);
            // Some clients name a type although a body is empty, and `curl -d` names a form whatever it sends.
            let is_json = bytes.trim_ascii_start().first().is_none_or(|first| matches!(first, b'{' | b'['));
            if is_json { Ok(bytes) } else { require_json_type(headers).map(|()| bytes) }
        }
        Err(error) => {
            use std::error::Error;
            let is_too_large =
                error.source().is_some_and(|source| source.is::<http_body_util::LengthLimitError>());
            Err(if is_too_large { too_large() } else { unreadable(&error, "the body is incomplete") })
        }
    }
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
pub(crate) async fn json(deps: &Deps, headers: &HeaderMap, body: Body) -> Result<Object, ApiError> {
    object(&bytes(deps, headers, body).await?, false)
}

/// Reads the body of an operation without fields: no body, or an object without members.
pub(crate) async fn empty(deps: &Deps, headers: &HeaderMap, body: Body) -> Result<(), ApiError> {
    read(&object(&bytes(deps, headers, body).await?, true)?, |_| ())
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
