//! `POST /api/media`: a form with one file.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use domain::check::{Fields, RequestSchema};
use domain::json::{Object, Value};
use domain::media::{file_name_of_header, supported_types};
use domain::messages::content::MediaKind;
use engine::access::caller::Caller;
use engine::media::{NewFile, StagedFile};
use engine::messages::admission::choose_account;
use engine::ports::{ByteStreamError, MediaOrigin};
use engine::{Deps, media};
use futures_core::Stream;
use tokio::sync::mpsc;

use crate::api::error::{ApiError, Code};
use crate::api::form::{Form, Part};
use crate::api::media::serialize::{UPLOAD_EXAMPLE, serialize_upload};
use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::Schema;
use crate::api::request_context::Authorized;
use crate::api::{request_body, response};

/// Maximum length of a text part, in bytes.
const MAX_TEXT: usize = 512;
/// Maximum number of chunks of the file that wait in memory to be written.
const MAX_BUFFERED_CHUNKS: usize = 2;

/// Kinds of media that `type` can name.
const KINDS: [(&str, MediaKind); 5] = [
    ("image", MediaKind::Image),
    ("video", MediaKind::Video),
    ("audio", MediaKind::Audio),
    ("document", MediaKind::Document),
    ("sticker", MediaKind::Sticker),
];

/// Uploads a file.
pub(crate) async fn upload_media(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    request: Request,
) -> Result<Response, ApiError> {
    let accepted = "Send `multipart/form-data` with a boundary, and the file in the part `file`.";
    let mut form = Form::of(request, accepted).await?;
    let mut upload = Upload::default();
    let checked = match upload.receive(&deps, &caller, &mut form).await {
        Ok(()) => upload.check(&deps, &caller),
        Err(error) => Err(error),
    };
    match (checked, upload.file.take()) {
        (Ok(()), Some(file)) => {
            let stored = media::commit_file(&deps, file).await?;
            // An upload of the same content returns the existing file, so that the request can be repeated.
            let status = if stored.is_new { StatusCode::CREATED } else { StatusCode::OK };
            Ok(response::success(status, &serialize_upload(&stored.media)))
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

/// Parts of the form that were received.
#[derive(Default)]
struct Upload {
    file: Option<StagedFile>,
    /// Values of the text parts by name. The part `file` is represented by `true`.
    parts: Object,
}

impl Upload {
    async fn receive(&mut self, deps: &Deps, caller: &Caller, form: &mut Form) -> Result<(), ApiError> {
        while let Some(part) = form.next_part().await? {
            let name: String = part.name().chars().filter(|letter| !letter.is_control()).take(64).collect();
            if self.parts.get(&name).is_some() {
                return Err(ApiError::invalid_at(&format!("/{name}"), "appears twice"));
            }
            if name == "file" {
                self.file = Some(receive_file(deps, caller, part, self.mime_type()).await?);
                self.parts.insert(&name, true);
            } else {
                let text = receive_text(part, &name).await?;
                self.parts.insert(&name, text);
            }
        }
        Ok(())
    }

    /// MIME type in the part `type`.
    fn mime_type(&self) -> Option<&str> {
        self.parts.get("type").and_then(Value::as_str).filter(|text| text.contains('/'))
    }

    /// Checks the text parts, which can stand before or after the file.
    fn check(&mut self, deps: &Deps, caller: &Caller) -> Result<(), ApiError> {
        let form = request_body::read(&self.parts, read_form)?;
        let Some(file) = &mut self.file else { return Ok(()) };
        match form.file_type {
            Some(FileType::Mime(mime_type)) => file.set_declared_type(&mime_type)?,
            Some(FileType::Kind(kind)) => {
                let media_type = file.media_type();
                if !media_type.fits(kind) {
                    let types = supported_types(kind);
                    let reason = format!("is {}, but must be one of {types}", media_type.mime);
                    return Err(ApiError::invalid_at("/file", reason));
                }
            }
            None => {}
        }
        if let Some(account) = &form.whatsapp_account {
            file.set_account(choose_account(deps, caller, Some(account))?.account.id);
        }
        Ok(())
    }
}

/// Text parts of the form.
struct UploadForm {
    whatsapp_account: Option<String>,
    file_type: Option<FileType>,
}

/// Value of the part `type`.
enum FileType {
    Mime(String),
    Kind(MediaKind),
}

/// Reads the parts of the form. The content of the part `file` is read as a stream.
fn read_form(fields: &Fields<'_, '_>) -> UploadForm {
    let _content = fields.required("file").about("The file, with its name and type.").format("binary");
    let account = fields.optional("whatsapp_account").about(
        "ID or name of an account. Only this account and keys that may use this account can then use the file.",
    );
    let file_type =
        fields.optional("type").about("MIME type, or `image`, `video`, `audio`, `document` or `sticker`.");
    UploadForm {
        whatsapp_account: account.string(1..=MAX_TEXT).map(str::to_owned),
        file_type: file_type.string(1..=MAX_TEXT).and_then(|text| {
            if text.contains('/') {
                return Some(FileType::Mime(text.to_owned()));
            }
            let kind = KINDS.iter().find(|(name, _)| *name == text).map(|(_, kind)| FileType::Kind(*kind));
            if kind.is_none() {
                file_type.refuse(
                    "must be a MIME type, or one of `image`, `video`, `audio`, `document`, `sticker`",
                );
            }
            kind
        }),
    }
}

/// Receives a text part.
async fn receive_text(mut part: Part<'_>, name: &str) -> Result<String, ApiError> {
    let invalid = |reason: &str| ApiError::invalid_at(&format!("/{name}"), reason);
    let mut text = Vec::new();
    while let Some(chunk) = part.text_chunk().await? {
        text.extend_from_slice(&chunk);
        if text.len() > MAX_TEXT {
            return Err(invalid(&format!("must be at most {MAX_TEXT} bytes")));
        }
    }
    let text = String::from_utf8(text).map_err(|_| invalid("must be UTF-8"))?;
    if text.contains('\0') {
        return Err(invalid("must not contain the character U+0000"));
    }
    Ok(text.trim().to_owned())
}

/// Receives the file. Each chunk is written as it arrives.
async fn receive_file(
    deps: &Deps,
    caller: &Caller,
    mut part: Part<'_>,
    mime_type: Option<&str>,
) -> Result<StagedFile, ApiError> {
    let incoming = NewFile {
        workspace: caller.workspace(),
        account: None,
        origin: MediaOrigin::Upload,
        mime_type: mime_type.or(part.content_type()).map(str::to_owned),
        file_name: part.content_disposition().and_then(file_name_of_header),
        sent_as: None,
    };
    let (sender, chunks) = mpsc::channel(MAX_BUFFERED_CHUNKS);
    let forward = async move {
        loop {
            let chunk = match part.file_chunk().await {
                Ok(Some(chunk)) => chunk,
                Ok(None) => return Ok(()),
                Err(error) => {
                    // The receiver must not store an incomplete file. The receiver may have stopped already.
                    drop(
                        sender.send(Err(ByteStreamError::Broken("the body is incomplete".to_owned()))).await,
                    );
                    return Err(error);
                }
            };
            if sender.send(Ok(chunk)).await.is_err() {
                // The receiver has rejected the file and returns the reason.
                return Ok(());
            }
        }
    };
    let (forwarded, received) =
        tokio::join!(forward, media::stage_file(deps, incoming, Box::pin(ReceivedChunks { chunks })));
    forwarded?;
    Ok(received?)
}

/// Stream of the chunks of a file.
struct ReceivedChunks {
    chunks: mpsc::Receiver<Result<Bytes, ByteStreamError>>,
}

impl Stream for ReceivedChunks {
    type Item = Result<Bytes, ByteStreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.chunks.poll_recv(context)
    }
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    let operation = Operation::new(
        "upload_media",
        "Upload a file",
        "Stores a file for outbound messages. Waypost detects the type from the content and keeps the file for 30 days. \
         When a message uses the file, Waypost uploads it to Meta, once per account. docs/media.md lists the types and \
         sizes.",
    )
    .form(RequestSchema::of(read_form))
    .responds(201, "The file is stored.", Schema::reference("Upload"), UPLOAD_EXAMPLE)
    .responds(
        200,
        "A file with the same content exists. The response describes that file.",
        Schema::reference("Upload"),
        UPLOAD_EXAMPLE,
    )
    .errors([Code::AccountNotFound]);
    vec![operation]
}
