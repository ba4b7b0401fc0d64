//! Media files in messages that Meta reports.

use crate::json::{Object, Value};
use crate::messages::content::MediaKind;

/// Media file of a message that Meta reports, as described in the webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundMedia<'a> {
    /// Kind of the file.
    pub kind: MediaKind,
    /// Meta's id of the file; `None` if Meta could not accept the file (131052).
    pub meta_id: Option<&'a str>,
    /// MIME type with parameters.
    pub mime_type: Option<&'a str>,
    /// SHA-256 of the content.
    pub sha256: Option<[u8; 32]>,
    /// Name of a document.
    pub file_name: Option<&'a str>,
}

/// Returns the file of a message whose type has one. An edited message may have a file again.
/// `object` is the object that belongs to the type.
pub fn inbound_media<'a>(kind: &str, object: Option<&'a Value>) -> Option<InboundMedia<'a>> {
    if kind == "edit" {
        let edited = object?.get("message")?;
        let kind = edited.get("type").and_then(Value::as_str)?;
        let found = read(kind_of(kind)?, edited.get(kind)?.as_object());
        // An edited caption has no file: the earlier file stays.
        return found.meta_id.is_some().then_some(found);
    }
    Some(read(kind_of(kind)?, object.and_then(Value::as_object)))
}

fn kind_of(name: &str) -> Option<MediaKind> {
    match name {
        "image" => Some(MediaKind::Image),
        "video" => Some(MediaKind::Video),
        "audio" => Some(MediaKind::Audio),
        "document" => Some(MediaKind::Document),
        "sticker" => Some(MediaKind::Sticker),
        _ => None,
    }
}

fn read(kind: MediaKind, object: Option<&Object>) -> InboundMedia<'_> {
    let text = |name| object.and_then(|object| object.get(name)?.as_str()).filter(|text| !text.is_empty());
    InboundMedia {
        kind,
        meta_id: text("id"),
        mime_type: text("mime_type"),
        sha256: text("sha256").and_then(parse_sha256),
        file_name: text("filename"),
    }
}

/// Parses a SHA-256 of Meta: hexadecimal in responses, base64 of either alphabet in webhooks. Returns `None` for any
/// other text.
pub fn parse_sha256(text: &str) -> Option<[u8; 32]> {
    let bytes = if text.len() == 64 { from_hex(text)? } else { from_base64(text.trim_end_matches('='))? };
    bytes.try_into().ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|digit| u8::try_from(digit.to_digit(16)?).ok()).collect();
    digits.map(|digits| {
        digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
    })
}

pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut buffer, mut n_bits) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let six = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = (buffer << 6 | u32::from(six)) & 0xffff;
        n_bits += 6;
        if n_bits >= 8 {
            n_bits -= 8;
            bytes.push(u8::try_from(buffer >> n_bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}
