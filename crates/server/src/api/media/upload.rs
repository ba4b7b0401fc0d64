//! `POST /api/media`: a form with one file.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::State;
use axum::extract::multipart::{Field, Multipart, MultipartRejection};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use domain::media::{MAX_FILE_SIZE, supported_types};
use domain::messages::content::MediaKind;
use engine::access::api_key::Caller;
use engine::media::{NewFile, StagedFile};
use engine::messages::admission::choose_account;
use engine::ports::{ByteStreamError, MediaOrigin};
use engine::{Deps, media};
use futures_core::Stream;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::api::error::{ApiError, Code};
use crate::api::media::serialize::kept;
use crate::api::request_context::Authorized;
use crate::api::{request_body, response};

/// What a form may hold besides the file.
const AROUND: u64 = 64 * 1024;
/// The longest value of a field beside the file, in bytes.
const LONGEST_FIELD: usize = 512;
/// How many pieces wait between the connection and the disk.
const PIECES_BETWEEN: usize = 2;

/// The kinds that `type` may name.
const KINDS: [(&str, MediaKind); 5] = [
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("audio", MediaKind::Audio),
    ("document", MediaKind::Document),
    ("sticker", MediaKind::Sticker),
];

/// Takes a file.
pub(crate) async fn upload_media(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    headers: HeaderMap,
    form: Result<Multipart, MultipartRejection>,
) -> Result<Response, ApiError> {
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let most = MAX_FILE_SIZE.saturating_add(AROUND);
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|length| length > most) {
        return Err(too_large(MAX_FILE_SIZE));
    }
    let mut form = form.map_err(|_| {
        ApiError::invalid_at("", "the body must be multipart/form-data, with the file in the part `file`")
    })?;
    let mut read = Form::default();
    let end = match read.read(&deps, &caller, &mut form).await {
        Ok(()) => read.judge(&deps, &caller),
        Err(error) => Err(error),
    };
    match (end, read.file.take()) {
        (Ok(()), Some(file)) => {
            let kept_file = media::commit_file(&deps, file).await?;
            // The same content again makes nothing new: it is answered as what it is, so a repeated call is harmless.
            let status = if kept_file.is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(response::success(status, &kept(&kept_file.media)))
        }
        (Ok(()), None) => Err(ApiError::invalid_at("/file", "is required")),
        (Err(error), file) => {
            if let Some(file) = file {
                media::discard_file(&deps, &file).await;
            }
            Err(error)
        }
    }
}

fn too_large(most: u64) -> ApiError {
    ApiError::new(Code::PayloadTooLarge, format!("The body is larger than {most} bytes."))
        .with("limit_bytes", i64::try_from(most).unwrap_or(i64::MAX))
}

fn cut() -> ApiError {
    ApiError::invalid_at("", "the body is incomplete, or not well-formed multipart/form-data")
}

fn late() -> ApiError {
    ApiError::new(Code::RequestTimeout, "No data arrived for 60 s.")
}

/// Waits for the next thing from the connection, but not for ever.
async fn soon<T>(deps: &Deps, next: impl Future<Output = T>) -> Result<T, ApiError> {
    let deadline = deps.now().saturating_add(request_body::WITHIN).unwrap_or(Timestamp::MAX);
    tokio::select! {
        biased;
        next = next => Ok(next),
        () = deps.clock.sleep_until(deadline) => Err(late()),
    }
}

/// The parts of the form.
#[derive(Default)]
struct Form {
    file: Option<StagedFile>,
    account: Option<String>,
    kind: Option<String>,
}

impl Form {
    async fn read(&mut self, deps: &Deps, caller: &Caller, form: &mut Multipart) -> Result<(), ApiError> {
        while let Some(field) = soon(deps, form.next_field()).await?.map_err(|_| cut())? {
            let name = field.name().unwrap_or_default().to_owned();
            let again = || Err(ApiError::invalid_at(&format!("/{name}"), "appears twice"));
            match name.as_str() {
                "file" if self.file.is_some() => return again(),
                "file" => self.file = Some(take(deps, caller, field, self.mime_type()).await?),
                "account" if self.account.is_some() => return again(),
                "account" => self.account = Some(text(deps, field, "account").await?),
                "type" if self.kind.is_some() => return again(),
                "type" => self.kind = Some(text(deps, field, "type").await?),
                other => {
                    let shown: String =
                        other.chars().filter(|letter| !letter.is_control()).take(64).collect();
                    let reason = format!("unknown part `{shown}`; known are `file`, `account` and `type`");
                    return Err(ApiError::invalid_at(&format!("/{shown}"), reason));
                }
            }
        }
        Ok(())
    }

    /// The MIME type that the form names beside the file.
    fn mime_type(&self) -> Option<&str> {
        self.kind.as_deref().filter(|kind| kind.contains('/'))
    }

    /// Checks what was said beside the file, wherever in the form it stood.
    fn judge(&mut self, deps: &Deps, caller: &Caller) -> Result<(), ApiError> {
        let mime_type = self.mime_type().map(str::to_owned);
        let Some(file) = &mut self.file else { return Ok(()) };
        if let Some(mime_type) = mime_type {
            file.set_declared_type(&mime_type)?;
        } else if let Some(kind) = &self.kind {
            let known = KINDS.iter().find(|(word, _)| word == kind).map(|(_, kind)| *kind);
            let Some(known) = known else {
                let reason =
                    "must be a MIME type, or one of `image`, `video`, `audio`, `document`, `sticker`";
                return Err(ApiError::invalid_at("/type", reason));
            };
            let media_type = file.media_type();
            if !media_type.fits(known) {
                let reason = format!("is {}, but must be one of {}", media_type.mime, supported_types(known));
                return Err(ApiError::invalid_at("/file", reason));
            }
        }
        if let Some(account) = &self.account {
            file.set_account(choose_account(deps, caller, Some(account))?.account.id);
        }
        Ok(())
    }
}

/// A short field.
async fn text(deps: &Deps, mut field: Field<'_>, name: &str) -> Result<String, ApiError> {
    let refused = |reason: &str| ApiError::invalid_at(&format!("/{name}"), reason);
    let mut value = Vec::new();
    while let Some(piece) = soon(deps, field.chunk()).await?.map_err(|_| cut())? {
        value.extend_from_slice(&piece);
        if value.len() > LONGEST_FIELD {
            return Err(refused(&format!("must be at most {LONGEST_FIELD} bytes")));
        }
    }
    let value = String::from_utf8(value).map_err(|_| refused("must be UTF-8"))?;
    match value.trim() {
        "" => Err(refused("must not be empty")),
        value if value.contains('\0') => Err(refused("must not contain the character U+0000")),
        value => Ok(value.to_owned()),
    }
}

/// The file: what arrives goes on at once, a few pieces at a time.
async fn take(
    deps: &Deps,
    caller: &Caller,
    mut field: Field<'_>,
    mime_type: Option<&str>,
) -> Result<StagedFile, ApiError> {
    let incoming = NewFile {
        workspace: caller.workspace(),
        account: None,
        origin: MediaOrigin::Upload,
        mime_type: mime_type.or(field.content_type()).map(str::to_owned),
        file_name: field
            .file_name()
            .map(|name| name.chars().filter(|letter| *letter != '\0').take(240).collect()),
    };
    let (give, pieces) = mpsc::channel(PIECES_BETWEEN);
    let pump = async move {
        loop {
            let piece = match soon(deps, field.chunk()).await {
                Ok(Ok(Some(piece))) => piece,
                Ok(Ok(None)) => return Ok(()),
                end => {
                    let error = end.map_or_else(|late| late, |_| cut());
                    // Who takes the file must not take its half for the whole; they may have stopped already.
                    drop(give.send(Err(ByteStreamError::Broken("the body was cut".to_owned()))).await);
                    return Err(error);
                }
            };
            if give.send(Ok(piece)).await.is_err() {
                // It is refused already: the answer says why.
                return Ok(());
            }
        }
    };
    let (pumped, received) =
        tokio::join!(pump, media::stage_file(deps, incoming, Box::pin(Arriving { pieces })));
    pumped?;
    Ok(received?)
}

/// The pieces that have arrived.
struct Arriving {
    pieces: mpsc::Receiver<Result<Bytes, ByteStreamError>>,
}

impl Stream for Arriving {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.pieces.poll_recv(context)
    }
}
