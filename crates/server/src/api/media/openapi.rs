//! Files.

use crate::api::error::Code;
use crate::api::messages::openapi::media_fields;
use crate::api::openapi::example::MEDIA;
use crate::api::openapi::operation::{Answer, Operation};
use crate::api::openapi::schema::{
    Schema, body, format, id, may, named, need, pattern, shown, text, time, word,
};

/// Any type.
const BYTES: &str = "*/*";

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    vec![upload_media(), get_media()]
}

fn upload_media() -> Operation {
    let form = body([
        need("file", format("binary").about("The file, with its name and type.")),
        may(
            "account",
            text(1..=512).about("Id or name of an account: only keys of this one may use it then."),
        ),
        may(
            "type",
            text(1..=512).about("A MIME type, or `image`, `video`, `audio`, `document` or `sticker`."),
        ),
    ]);
    let about = "Takes a file for customers. It is judged by its content, kept for 30 days, and uploaded to Meta once \
                 per account when a message names it. The types and sizes are in docs/media.md.";
    Operation::new("upload_media", "Upload a file", about)
        .takes_form(form)
        .gives(201, "It is here.", named("Upload"), UPLOADED)
        .gives(200, "The same content was here before; it is the same file.", named("Upload"), UPLOADED)
        .fails([Code::AccountNotFound])
}

fn get_media() -> Operation {
    let about = "The content of a file that a customer sent, or that you uploaded; one range of bytes, if asked for. \
                 With `Accept: application/json` what is known of it.";
    let etag = || pattern("^\"[0-9a-f]{64}\"$");
    Operation::new("get_media", "Download a file", about)
        .id("The id of the file: `media.id` of its message, or of an upload.", MEDIA)
        .header("Range", "One range of bytes.", text(..).example("bytes=0-1023"))
        .header("If-Range", "The `ETag` for which the range is wanted.", text(..))
        .header("If-None-Match", "The `ETag` of what you have: 304 if it is still that.", text(..))
        .answer(Answer {
            status: 200,
            about: "The content, or what is known of it.",
            content: Some((BYTES, format("binary"))),
            example: None,
            headers: Vec::new(),
        })
        .with_header("ETag", "Its SHA-256.", etag())
        .with_header("Content-Disposition", "Its name, and whether a browser shows or saves it.", text(1..))
        .answer(Answer {
            status: 206,
            about: "A part of the content.",
            content: Some((BYTES, format("binary"))),
            example: None,
            headers: Vec::new(),
        })
        .with_header("Content-Range", "Which part it is.", text(1..))
        .with_header("ETag", "Its SHA-256.", etag())
        .answer(Answer {
            status: 304,
            about: "You have it.",
            content: None,
            example: None,
            headers: Vec::new(),
        })
        .with_header("ETag", "Its SHA-256.", etag())
        .fails([Code::MediaNotFound, Code::MediaPending, Code::MediaFailed, Code::RangeNotSatisfiable])
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let upload = shown([
        need("id", id()),
        need("mime_type", text(..).or_null()),
        need("size", crate::api::openapi::schema::integer(0..).or_null()),
        need("sha256", text(64..=64).or_null()),
        need("file_name", text(..).or_null()),
        need("created_at", time()),
        need("expires_at", time().or_null().about("When it is deleted.")),
    ]);
    let mut media = media_fields();
    media.extend([
        need("origin", word(["inbound", "upload", "link"])),
        need("whatsapp_account_id", id().or_null()),
        need("message", id().or_null()),
        need("created_at", time()),
        need("expires_at", time().or_null()),
    ]);
    vec![("Upload", upload), ("Media", shown(media)), ("MessageMedia", shown(media_fields()))]
}

const UPLOADED: &str = r#"{"id":"01a2b3c4-0000-7000-8000-00000000000a","mime_type":"application/pdf","size":48213,
    "sha256":"14bcd090baf31edba64e9cbd8cdfc15f943344aa72cb3675ad8e91bfcbce03ad","file_name":"invoice.pdf",
    "created_at":"2026-05-29T10:30:00Z","expires_at":"2026-06-28T10:30:00Z"}"#;
