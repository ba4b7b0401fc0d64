//! Files: `GET /api/media/{id}` and `POST /api/media`.
//!
//! **Invariant:** a file goes through in pieces; no answer and no request holds the whole of it.
//!
//! **Invariant:** nothing that a stranger has sent is run by a browser as ours: types are not guessed, what is not a
//! picture, a sound or a video is saved, and whatever is shown is shown in a sandbox.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::media::{MediaType, essence};
use engine::Deps;
use engine::access::api_key::Caller;
use engine::media::{self, KeepError};
use engine::ports::{BlobError, MediaState, StoreError, StoreErrorKind, StoredMedia};
use jiff::Timestamp;

use crate::api::media::range::Wanted;
use crate::api::request_context::{Authorized, IdOrName};
use crate::api::{ApiError, Code, request_body, response, serialize};

/// Seconds to wait for a file that is being fetched right now.
const PENDING_WAIT: u32 = 2;
/// The most seconds to wait for one that is fetched again later.
const LONGEST_WAIT: u32 = 3600;
/// What a file is when nobody says.
const ANY_TYPE: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// The longest file name that is given out, in characters.
const LONGEST_NAME: usize = 150;

/// A file's content, or with `Accept: application/json` what is known of it.
pub(crate) async fn get_media(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    IdOrName(id): IdOrName,
    request: Request,
) -> Result<Response, ApiError> {
    let (is_head, headers) = (request.method() == Method::HEAD, request.headers());
    request_body::no_query(request.uri().query())?;
    let found = match id.parse() {
        Ok(id) => media::find(&deps, &caller, id).await?,
        Err(_) => None,
    };
    let file = found.ok_or_else(|| ApiError::new(Code::MediaNotFound, "There is no file with this id."))?;
    if wants_json(headers) {
        return Ok(response::success(StatusCode::OK, &serialize::media(&file)));
    }
    match file.state {
        MediaState::Ready => content(&deps, &caller, &file, (is_head, headers)).await,
        MediaState::Pending | MediaState::Receiving => Err(pending(&deps, &file)),
        MediaState::Failed | MediaState::Gone => {
            Err(failed(file.reason.as_deref().unwrap_or("it is not here")))
        }
    }
}

/// Whether the caller asks for a description: by name, and not just for anything.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = |wanted: &str| {
        let values = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|range| essence(range) == wanted)
    };
    accepts("application/json") && !accepts("*/*")
}

fn pending(deps: &Deps, file: &StoredMedia) -> ApiError {
    let now = deps.now();
    let left = file.due_at.unwrap_or(now).duration_since(now).as_secs();
    let wait = u32::try_from(left.max(0)).unwrap_or(u32::MAX).clamp(PENDING_WAIT, LONGEST_WAIT);
    let why = file.reason.as_ref().map(|reason| format!(" The last try: {reason}.")).unwrap_or_default();
    let error = ApiError::new(
        Code::MediaPending,
        format!("The file is still being fetched from Meta.{why} Ask again in {wait} s."),
    );
    let error = match &file.reason {
        Some(reason) => error.with("reason", reason.as_str()),
        None => error,
    };
    error.retry_after(wait)
}

fn failed(reason: &str) -> ApiError {
    ApiError::new(Code::MediaFailed, format!("The file is not here: {reason}.")).with("reason", reason)
}

async fn content(
    deps: &Deps,
    caller: &Caller,
    file: &StoredMedia,
    (is_head, headers): (bool, &HeaderMap),
) -> Result<Response, ApiError> {
    let (Some(size), Some(sha256)) = (file.size, &file.sha256) else {
        return Err(failed("nothing is known of its content"));
    };
    let etag = format!("\"{}\"", serialize::hex(sha256));
    if crate::api::media::range::is_known(headers, &etag) {
        return Ok(with_headers(StatusCode::NOT_MODIFIED, file, &etag));
    }
    let (status, part) = match crate::api::media::range::wanted(headers, size, &etag) {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
        Wanted::Nothing => {
            let message = format!("The file has {size} bytes: there is no such part of it.");
            let mut response = ApiError::new(Code::RangeNotSatisfiable, message).into_response();
            put(&mut response, header::CONTENT_RANGE, format!("bytes */{size}"));
            return Ok(response);
        }
    };
    let mut response = with_headers(status, file, &etag);
    let n_bytes = part.end.saturating_sub(part.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let last = part.end.saturating_sub(1);
        put(&mut response, header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", part.start));
    }
    if !is_head {
        let pieces = media::content(deps, caller, file, part).await.map_err(blob_error)?;
        let pieces = pieces.ok_or_else(|| failed("its content is gone from where it was kept"))?;
        *response.body_mut() = Body::from_stream(pieces);
    }
    put(&mut response, header::CONTENT_LENGTH, n_bytes.to_string());
    Ok(response)
}

/// An answer about a file's content, without the content.
fn with_headers(status: StatusCode, file: &StoredMedia, etag: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let mime_type = file.mime_type.as_deref().unwrap_or_default();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::try_from(mime_type).unwrap_or(ANY_TYPE));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("Accept"));
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("sandbox; default-src 'none'; style-src 'unsafe-inline'"),
    );
    put(&mut response, header::ETAG, etag.to_owned());
    put(&mut response, header::CONTENT_DISPOSITION, disposition(file));
    response
}

fn put(response: &mut Response, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Whether a browser shows it or saves it, and under which name: pictures of pixels, sounds and videos are shown.
fn disposition(file: &StoredMedia) -> String {
    let mime_type = essence(file.mime_type.as_deref().unwrap_or_default());
    let is_shown = matches!(mime_type.as_str(), "image/jpeg" | "image/png" | "image/webp" | "image/gif")
        || mime_type.starts_with("audio/")
        || mime_type.starts_with("video/");
    let how = if is_shown { "inline" } else { "attachment" };
    let name =
        file.file_name.as_deref().map(safe_name).filter(|name| !name.is_empty()).unwrap_or_else(|| {
            let end = MediaType::named(&mime_type).map_or("bin", MediaType::extension);
            format!("{}.{end}", file.id)
        });
    // Both spellings of RFC 6266: the first for those that do not know the second.
    let plain: String = name.chars().map(|letter| if letter.is_ascii() { letter } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{how}; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

/// A name without what leads somewhere else, ends a header, or hides.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_safe = |letter: &char| {
        // Marks that turn the direction of text make `exe.pdf` of `fdp.exe`.
        let turns =
            matches!(*letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !letter.is_control() && !turns && !"\"\\<>:|?*;%".contains(*letter)
    };
    let safe: String = last.chars().filter(is_safe).collect();
    let safe = safe.trim_matches(['.', ' ']);
    let n_letters = safe.chars().count();
    // The end tells the type: it is kept.
    safe.chars().skip(n_letters.saturating_sub(LONGEST_NAME)).collect()
}

/// The place of content is in trouble: nothing was kept, and it may work later.
fn blob_error(error: BlobError) -> ApiError {
    StoreError::new(StoreErrorKind::Unavailable, "keeping a file", error).into()
}

impl From<KeepError> for ApiError {
    fn from(error: KeepError) -> Self {
        match error {
            KeepError::Unfit(unfit) => Self::invalid_at("/file", unfit.to_string()),
            KeepError::TooLarge(known, most) => Self::new(
                Code::PayloadTooLarge,
                format!("A file of the type {} may have {most} bytes at most.", known.mime),
            )
            .with("limit_bytes", i64::try_from(most).unwrap_or(i64::MAX)),
            KeepError::Broken(_) => Self::invalid_at("", "the body did not arrive whole"),
            KeepError::Blob(error) => blob_error(error),
            KeepError::Store(error) => error.into(),
        }
    }
}

/// What is answered to a file that was taken.
pub(crate) fn kept(file: &StoredMedia) -> domain::json::Value {
    use domain::json::Value;
    let time = |at: Timestamp| Value::from(at.to_string());
    response::object([
        ("id", file.id.to_string().into()),
        ("mime_type", file.mime_type.clone().map_or(Value::Null, Value::from)),
        ("size", file.size.and_then(|size| i64::try_from(size).ok()).map_or(Value::Null, Value::from)),
        ("sha256", file.sha256.as_ref().map_or(Value::Null, |digest| serialize::hex(digest).into())),
        ("file_name", file.file_name.clone().map_or(Value::Null, Value::from)),
        ("created_at", time(file.created_at)),
        ("expires_at", file.expires_at.map_or(Value::Null, time)),
    ])
}

#[cfg(test)]
mod tests {
    use domain::id::MediaId;
    use engine::ports::MediaOrigin;

    use super::*;

    fn named(mime_type: &str, file_name: Option<&str>) -> String {
        disposition(&StoredMedia {
            id: MediaId::from_parts(1, &[7; 10]),
            account: None,
            message: None,
            origin: MediaOrigin::Inbound,
            state: MediaState::Ready,
            mime_type: Some(mime_type.to_owned()),
            sha256: None,
            size: None,
            file_name: file_name.map(str::to_owned),
            reason: None,
            due_at: None,
            created_at: Timestamp::UNIX_EPOCH,
            expires_at: None,
        })
    }

    #[test]
    fn what_a_browser_might_run_is_saved() {
        for mime_type in ["text/html", "image/svg+xml", "application/pdf", "text/plain", "", "video"] {
            assert!(named(mime_type, None).starts_with("attachment; "), "{mime_type}");
        }
        for mime_type in ["image/png", "IMAGE/JPEG", "audio/ogg; codecs=opus", "video/mp4"] {
            assert!(named(mime_type, None).starts_with("inline; "), "{mime_type}");
        }
    }

    #[test]
    fn a_hostile_name_loses_its_teeth() {
        for (given, safe) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Windows\\a.pdf", "a.pdf"),
            ("a\"; filename=\"b.exe", "a filename=b.exe"),
            ("a\r\nSet-Cookie: x\0.pdf", "aSet-Cookie x.pdf"),
            (".htaccess", "htaccess"),
            ("invoice\u{202e}fdp.exe", "invoicefdp.exe"),
            ("...", ""),
            ("Rechnung März.pdf", "Rechnung März.pdf"),
        ] {
            assert_eq!(safe_name(given), safe, "{given:?}");
        }
        let long = format!("{}.pdf", "x".repeat(4000));
        assert_eq!(safe_name(&long).chars().count(), LONGEST_NAME);
        assert!(safe_name(&long).ends_with(".pdf"));
    }

    #[test]
    fn a_name_is_given_in_both_spellings_and_a_nameless_file_gets_one() {
        assert_eq!(
            named("application/pdf", Some("März 1.pdf")),
            "attachment; filename=\"M_rz 1.pdf\"; filename*=UTF-8''M%C3%A4rz%201.pdf"
        );
        let nameless = named("image/png", Some("///"));
        let id = MediaId::from_parts(1, &[7; 10]);
        assert_eq!(nameless, format!("inline; filename=\"{id}.png\"; filename*=UTF-8''{id}.png"));
    }
}
