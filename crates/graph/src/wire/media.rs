//! Files: metadata in responses, and the multipart frame of an upload.

use std::borrow::Cow;
use std::fmt::Write as _;

use engine::ports::MediaInfo;

use crate::json_reader::Json;

/// Reads the metadata of a file. Its size is a number or a string, its digest is hexadecimal or base64.
pub(crate) fn info(response: Json<'_>) -> Option<MediaInfo> {
    let field = |name| response.get(name).and_then(Json::scalar).map(Cow::into_owned);
    Some(MediaInfo {
        url: field("url")?,
        mime_type: field("mime_type"),
        sha256: field("sha256").as_deref().and_then(domain::media::parse_sha256),
        size: response.get("file_size").and_then(Json::integer).and_then(|size| u64::try_from(size).ok()),
    })
}

/// Reads Meta's id of an upload.
pub(crate) fn uploaded(response: Json<'_>) -> Option<String> {
    response.get("id").and_then(Json::scalar).filter(|id| !id.is_empty()).map(Cow::into_owned)
}

/// Bytes before and after the content of an upload, and the boundary between its parts.
pub(crate) struct Frame {
    pub(crate) boundary: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// Creates the frame of an upload. The boundary is derived from the content's digest, because no content contains its
/// own digest.
pub(crate) fn frame(sha256: &[u8; 32], mime_type: &str, file_name: &str) -> Frame {
    let mut boundary = "waypost-".to_owned();
    for byte in sha256 {
        // Writing to a string cannot fail.
        let _infallible = write!(boundary, "{byte:02x}");
    }
    let name = quoted(file_name);
    let mime_type: String = mime_type.chars().filter(|letter| !letter.is_control()).collect();
    let field = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let before = format!(
        "{}{}--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: {mime_type}\r\n\r\n",
        field("messaging_product", "whatsapp"),
        field("type", &mime_type),
    );
    let after = format!("\r\n--{boundary}--\r\n");
    Frame { boundary, before, after }
}

/// Escapes a file name as browsers do in a form.
fn quoted(name: &str) -> String {
    name.chars()
        .filter(|letter| !letter.is_control() || matches!(letter, '\r' | '\n'))
        .map(|letter| match letter {
            '"' => Cow::Borrowed("%22"),
            '\r' => Cow::Borrowed("%0D"),
            '\n' => Cow::Borrowed("%0A"),
            other => Cow::Owned(other.to_string()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<MediaInfo> {
        info(Json::parse(text.as_bytes()).expect("JSON"))
    }

    #[test]
    fn sizes_and_digests_are_read_in_all_formats() {
        let hex = read(
            r#"{"messaging_product":"whatsapp","url":"https://lookaside.fbsbx.com/x","mime_type":"image/jpeg",
                "sha256":"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824","file_size":184233,"id":"1"}"#,
        )
        .expect("an answer");
        let base64 = read(
            r#"{"url":"https://x","sha256":"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=","file_size":"184233"}"#,
        )
        .expect("an answer");
        assert_eq!(hex.sha256, base64.sha256);
        assert!(hex.sha256.is_some());
        assert_eq!((hex.size, base64.size), (Some(184_233), Some(184_233)));
        let bare = read(r#"{"url":"https://x","sha256":"?","file_size":-1}"#).expect("an answer");
        assert_eq!((bare.sha256, bare.size, bare.mime_type), (None, None, None));
        assert_eq!(read(r#"{"id":"1"}"#), None);
    }

    #[test]
    fn a_hostile_file_name_is_escaped() {
        let frame = frame(&[7; 32], "image/png\r\nX: y", "a\"; name=\"type\"\r\n\r\nb\0ü.png");
        assert!(
            frame.before.contains("filename=\"a%22; name=%22type%22%0D%0A%0D%0Abü.png\"\r\n"),
            "{}",
            frame.before
        );
        assert!(frame.before.ends_with("Content-Type: image/pngX: y\r\n\r\n"), "{}", frame.before);
        assert_eq!(frame.before.matches("Content-Disposition").count(), 3);
    }
}
