//! JSON of media records in responses.

use domain::json::{Object, Value};
use engine::ports::StoredMedia;
use jiff::Timestamp;

use crate::api::serialize::{hex, optional, time};
use crate::api::{response, serialize};

/// A file, as its message shows it.
pub(crate) fn media_object(media: &StoredMedia) -> Object {
    let mut shown = Object::new();
    shown.insert("id", media.id.to_string());
    shown.insert("state", media.state.as_str());
    shown.insert("mime_type", optional(media.mime_type.as_deref()));
    shown.insert("size", optional(media.size.and_then(|size| i64::try_from(size).ok())));
    shown.insert("sha256", optional(media.sha256.as_ref().map(hex)));
    shown.insert("file_name", optional(media.file_name.as_deref()));
    shown.insert("reason", optional(media.reason.as_deref()));
    shown
}

/// A file.
pub(crate) fn serialize_media(media: &StoredMedia) -> Value {
    let mut shown = media_object(media);
    shown.insert("origin", media.origin.as_str());
    shown.insert("whatsapp_account_id", optional(media.account.map(|id| id.to_string())));
    shown.insert("message", optional(media.message.map(|id| id.to_string())));
    shown.insert("created_at", time(media.created_at));
    shown.insert("expires_at", media.expires_at.map_or(Value::Null, time));
    Value::Object(shown)
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
