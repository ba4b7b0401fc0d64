//! `GET /api/media/{id}`: download a file.
//!
//! **Invariant:** a file is sent in chunks. The memory never holds a whole file.
//!
//! **Invariant:** no browser runs content from customers with the origin of the gateway: browsers do not guess types, save
//! files that are not images, audio or video, and show all others in a sandbox.

use crate::api::openapi::example::MEDIA;
use crate::api::openapi::operation::ANY_TYPE;
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::request_head;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::media::essence;
use engine::access::caller::Caller;
use engine::ports::{MediaState, StoredMedia};
use engine::{Deps, media};

use crate::api::error::{ApiError, Code};
use crate::api::error_mapping::blob_error;
use crate::api::media::disposition::disposition;
use crate::api::media::range::RequestedRange;
use crate::api::media::serialize::serialize_media;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{request_body, response, serialize};

/// Value of `Retry-After` for a file that is being downloaded now, in seconds.
const PENDING_WAIT: u32 = 2;

/// Maximum value of `Retry-After` for a file that is downloaded again later, in seconds.
const MAX_PENDING_WAIT: u32 = 3600;

/// Media type of a file with an unknown type.
const UNKNOWN_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Returns the content of a file, or its metadata with `Accept: application/json`.
pub(crate) async fn get_media(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    request: Request,
) -> Result<Response, ApiError> {
    let (is_head, headers) = (request.method() == Method::HEAD, request.headers());
    request_body::reject_query(request.uri().query())?;
    let found = match id.parse() {
        Ok(id) => media::find(&deps, &caller, id).await?,
        Err(_) => None,
    };
    let file = found.ok_or_else(|| ApiError::new(Code::MediaNotFound, "There is no file with this id."))?;
    if wants_json(headers) {
        return Ok(response::success(StatusCode::OK, &serialize_media(&file)));
    }
    match file.state {
        MediaState::Ready => content(&deps, &caller, &file, is_head, headers).await,
        MediaState::Pending | MediaState::Receiving => Err(pending(&deps, &file)),
        MediaState::Failed | MediaState::Gone => {
            Err(failed(file.reason.as_deref().unwrap_or("the content is missing")))
        }
    }
}

/// Description of the ID of a file.
pub(crate) const MEDIA_ID: &str = "ID of the file: `media_id` of its message, or the ID of an upload.";

/// `true` if the caller requests metadata: `Accept` contains `application/json`, and not `*/*`.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = |media_type: &str| {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|range| essence(range) == media_type)
    };
    accepts("application/json") && !accepts("*/*")
}

fn pending(deps: &Deps, file: &StoredMedia) -> ApiError {
    let now = deps.now();
    let left = file.due_at.unwrap_or(now).duration_since(now).as_secs();
    let wait = u32::try_from(left.max(0)).unwrap_or(u32::MAX).clamp(PENDING_WAIT, MAX_PENDING_WAIT);
    let last_error =
        file.reason.as_ref().map(|reason| format!(" Last attempt: {reason}.")).unwrap_or_default();
    let error = ApiError::new(
        Code::MediaPending,
        format!("The file is still being downloaded from Meta.{last_error} Try again in {wait} s."),
    );
    let error = match &file.reason {
        Some(reason) => error.with("reason", reason.as_str()),
        None => error,
    };
    error.retry_after(wait)
}

fn failed(reason: &str) -> ApiError {
    ApiError::new(Code::MediaFailed, format!("The file is not available: {reason}.")).with("reason", reason)
}

async fn content(
    deps: &Deps,
    caller: &Caller,
    file: &StoredMedia,
    is_head: bool,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    let (Some(size), Some(sha256)) = (file.size, &file.sha256) else {
        return Err(failed("its content is unknown"));
    };
    let etag = format!("\"{}\"", serialize::hex(sha256));
    if crate::api::media::range::matches_etag(headers, &etag) {
        return Ok(with_headers(StatusCode::NOT_MODIFIED, file, &etag));
    }
    let (status, part) = match crate::api::media::range::requested_range(headers, size, &etag) {
        RequestedRange::Whole => (StatusCode::OK, 0..size),
        RequestedRange::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        RequestedRange::Unsatisfiable => {
            let message = format!("The requested range is outside the file, which has {size} bytes.");
            let mut response = ApiError::new(Code::RangeNotSatisfiable, message).into_response();
            set_header(&mut response, header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let mut response = with_headers(status, file, &etag);
    let n_bytes = part.end.saturating_sub(part.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = part.end.saturating_sub(1);
        set_header(&mut response, header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", part.start));
    }
    if !is_head {
        let chunks = media::content(deps, caller, file, part).await.map_err(blob_error)?;
        let chunks = chunks.ok_or_else(|| failed("its content is missing from the storage"))?;
        *response.body_mut() = Body::from_stream(chunks);
    }
    set_header(&mut response, header::CONTENT_LENGTH, n_bytes.to_string());
    Ok(response)
}

/// Returns the response for the content of a file, without the content.
fn with_headers(status: StatusCode, file: &StoredMedia, etag: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let mime_type = file.mime_type.as_deref().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(mime_type).unwrap_or(UNKNOWN_TYPE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'"),
    );
    set_header(&mut response, header::ETAG, etag.to_owned());
    set_header(&mut response, header::CONTENT_DISPOSITION, disposition(file));
    response
}

fn set_header(response: &mut Response, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    let about = "Returns the content of an inbound or uploaded file, or one range of its bytes. With `Accept: \
         application/json`, returns its metadata.";
    let etag = || Schema::pattern("^\"[0-9a-f]{64}\"$");
    vec![
        Operation::new("get_media", "Download a file", about)
            .id(MEDIA_ID, MEDIA)
            .header(
                "Range",
                "One range of bytes.",
                Schema::string(..=request_head::MAX_HEADER).example("bytes=0-1023"),
            )
            .header(
                "If-Range",
                "`ETag` of the content for which the range is valid.",
                Schema::string(..=request_head::MAX_HEADER),
            )
            .header(
                "If-None-Match",
                "`ETag` of an earlier response. The response is 304 if nothing has changed.",
                Schema::string(..=request_head::MAX_HEADER),
            )
            .responds_raw(200, "The content, or its metadata.", ANY_TYPE, Schema::format("binary"))
            .response_header("ETag", "SHA-256 of the content.", etag())
            .response_header(
                "Content-Disposition",
                "File name, and `inline` or `attachment`.",
                Schema::string(1..),
            )
            .responds_raw(206, "Part of the content.", ANY_TYPE, Schema::format("binary"))
            .response_header("Content-Range", "Range of the part.", Schema::string(1..))
            .response_header("ETag", "SHA-256 of the content.", etag())
            .responds_empty(304, "Nothing has changed.")
            .response_header("ETag", "SHA-256 of the content.", etag())
            .errors([Code::MediaNotFound, Code::MediaPending, Code::MediaFailed, Code::RangeNotSatisfiable]),
    ]
}
