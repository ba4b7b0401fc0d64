//! Files.

use crate::api::error::Code;
use crate::api::messages::openapi::media_fields;
use crate::api::openapi::example::MEDIA;
use crate::api::openapi::operation::{Answer, Operation};
use crate::api::openapi::schema::{
    Schema, body, format, id, may, named, need, pattern, shown, text, time, word,
};

/// A file of any type.
pub(crate) const BYTES: &str = "*/*";
/// The same for code generators, which do not know `*/*`.
pub(crate) const OCTETS: &str = "application/octet-stream";

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    vec![upload_media(), get_media()]
}

fn upload_media() -> Operation {
    let form = body([
        need("file", format("binary").about("The file, with its name and type.")),
        may(
            "account",
            text(1..=512).about(
                "ID or name of an account. Only keys that may use this account can then use \
                 the file.",
            ),
        ),
        may("type", text(1..=512).about("MIME type, or `image`, `video`, `audio`, `document` or `sticker`.")),
    ]);
    let about = "Stores a file for outbound messages. Waypost detects the type from the content and keeps the \
         file for 30 days. It uploads the file to Meta once per account, when a message uses it. docs/media.md \
         lists the types and sizes.";
    Operation::new("upload_media", "Upload a file", about)
        .takes_form(form)
        .gives(201, "The file is stored.", named("Upload"), UPLOADED)
        .gives(
            200,
            "A file with the same content exists. The response describes that file.",
            named("Upload"),
            UPLOADED,
        )
        .fails([Code::AccountNotFound])
}

fn get_media() -> Operation {
    let about = "Returns the content of an inbound or uploaded file, or one range of its bytes. With `Accept: \
         application/json`, returns its metadata.";
    let etag = || pattern("^\"[0-9a-f]{64}\"$");
    Operation::new("get_media", "Download a file", about)
        .id("ID of the file: `media.id` of its message, or the ID of an upload.", MEDIA)
        .header("Range", "One range of bytes.", text(..).example("bytes=0-1023"))
        .header("If-Range", "`ETag` of the content for which the range is valid.", text(..))
        .header(
            "If-None-Match",
            "`ETag` of an earlier response. The response is 304 if nothing has changed.",
            text(..),
        )
        .answer(Answer {
            status: 200,
            about: "The content, or its metadata.",
            content: Some((BYTES, format("binary"))),
            example: None,
            headers: Vec::new(),
        })
        .with_header("ETag", "SHA-256 of the content.", etag())
        .with_header("Content-Disposition", "File name, and `inline` or `attachment`.", text(1..))
        .answer(Answer {
            status: 206,
            about: "Part of the content.",
            content: Some((BYTES, format("binary"))),
            example: None,
            headers: Vec::new(),
        })
        .with_header("Content-Range", "Range of the part.", text(1..))
        .with_header("ETag", "SHA-256 of the content.", etag())
        .answer(Answer {
            status: 304,
            about: "Nothing has changed.",
            content: None,
            example: None,
            headers: Vec::new(),
        })
        .with_header("ETag", "SHA-256 of the content.", etag())
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
        need("expires_at", time().or_null().about("Time at which the file is deleted.")),
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
