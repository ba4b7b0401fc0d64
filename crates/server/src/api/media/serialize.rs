//! JSON of media records in responses.

use crate::api::openapi::schema::Property;
use crate::api::openapi::schema::Schema;
use crate::api::openapi::schema::required;
use domain::json::{Object, Value};
use engine::ports::StoredMedia;

use crate::api::response::object;
use crate::api::serialize::{hex, or_null, time, time_or_null};

/// JSON object of a file in a message.
pub(crate) fn media_object(media: &StoredMedia) -> Object {
    let mut json = Object::new();
    json.insert("id", media.id.to_string());
    json.insert("state", media.state.as_str());
    json.insert("mime_type", or_null(media.mime_type.as_deref()));
    json.insert("size", or_null(media.size.and_then(|size| i64::try_from(size).ok())));
    json.insert("sha256", or_null(media.sha256.as_ref().map(hex)));
    json.insert("file_name", or_null(media.file_name.as_deref()));
    json.insert("reason", or_null(media.reason.as_deref()));
    json
}

/// JSON of a file.
pub(crate) fn serialize_media(media: &StoredMedia) -> Value {
    let mut json = media_object(media);
    json.insert("origin", media.origin.as_str());
    json.insert("whatsapp_account_id", or_null(media.account.map(|id| id.to_string())));
    json.insert("message", or_null(media.message.map(|id| id.to_string())));
    json.insert("created_at", time(media.created_at));
    json.insert("expires_at", time_or_null(media.expires_at));
    Value::Object(json)
}

/// JSON of an uploaded file.
pub(crate) fn serialize_upload(media: &StoredMedia) -> Value {
    object([
        ("id", media.id.to_string().into()),
        ("mime_type", or_null(media.mime_type.as_deref())),
        ("size", or_null(media.size.and_then(|size| i64::try_from(size).ok()))),
        ("sha256", or_null(media.sha256.as_ref().map(hex))),
        ("file_name", or_null(media.file_name.as_deref())),
        ("created_at", time(media.created_at)),
        ("expires_at", time_or_null(media.expires_at)),
    ])
}

/// Returns the named schemas of media.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let upload = Schema::object([
        required("id", Schema::uuid()),
        required("mime_type", Schema::string(..).or_null()),
        required("size", Schema::integer(0..).or_null()),
        required("sha256", Schema::string(64..=64).or_null()),
        required("file_name", Schema::string(..).or_null()),
        required("created_at", Schema::time()),
        required("expires_at", Schema::time().or_null().about("Time at which the file is deleted.")),
    ]);
    let mut media = media_properties();
    media.extend([
        required("origin", Schema::enumeration(["inbound", "upload", "link"])),
        required("whatsapp_account_id", Schema::uuid().or_null()),
        required("message", Schema::uuid().or_null()),
        required("created_at", Schema::time()),
        required("expires_at", Schema::time().or_null()),
    ]);
    vec![
        ("Upload", upload),
        ("Media", Schema::object(media)),
        ("MessageMedia", Schema::object(media_properties())),
    ]
}

/// Properties of a file in a message.
fn media_properties() -> Vec<Property> {
    vec![
        required("id", Schema::uuid()),
        required("state", Schema::enumeration(["receiving", "pending", "ready", "failed", "gone"])),
        required("mime_type", Schema::string(..).or_null()),
        required("size", Schema::integer(0..).or_null()),
        required("sha256", Schema::string(64..=64).or_null()),
        required("file_name", Schema::string(..).or_null()),
        required("reason", Schema::string(..).or_null().about("Reason for which the file is not available.")),
    ]
}

pub(crate) const MEDIA_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-00000000000a","state":"ready","mime_type":"image/jpeg","size":184233,
    "sha256":"14bcd090baf31edba64e9cbd8cdfc15f943344aa72cb3675ad8e91bfcbce03ad","file_name":null,"reason":null,"origin":"inbound",
    "whatsapp_account_id":"01a2b3c4-0000-7000-8000-000000000002","message":"01a2b3c4-0000-7000-8000-000000000001",
    "created_at":"2026-05-29T10:30:00.000Z","expires_at":"2026-06-28T10:30:00.000Z"}"#;

pub(crate) const UPLOAD_EXAMPLE: &str = r#"{"id":"01a2b3c4-0000-7000-8000-00000000000a","mime_type":"application/pdf","size":48213,
    "sha256":"14bcd090baf31edba64e9cbd8cdfc15f943344aa72cb3675ad8e91bfcbce03ad","file_name":"invoice.pdf",
    "created_at":"2026-05-29T10:30:00.000Z","expires_at":"2026-06-28T10:30:00.000Z"}"#;
