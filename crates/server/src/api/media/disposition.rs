//! The header `Content-Disposition` of downloads.

use domain::media::{MediaType, essence};
use engine::ports::StoredMedia;

/// Maximum length of a file name, in characters.
const MAX_NAME: usize = 150;

/// Returns the value of the header. Browsers show bitmap images, audio and video, and save all other files.
pub(crate) fn disposition(file: &StoredMedia) -> String {
    let mime_type = essence(file.mime_type.as_deref().unwrap_or_default());
    let is_shown = matches!(mime_type.as_str(), "image/jpeg" | "image/png" | "image/webp" | "image/gif")
        || mime_type.starts_with("audio/")
        || mime_type.starts_with("video/");
    let kind = if is_shown { "inline" } else { "attachment" };
    let name =
        file.file_name.as_deref().map(safe_name).filter(|name| !name.is_empty()).unwrap_or_else(|| {
            let extension = MediaType::named(&mime_type).map_or("bin", MediaType::extension);
            format!("{}.{extension}", file.id)
        });
    // RFC 6266 has two forms of the name: `filename` is for clients that do not know `filename*`.
    let ascii: String = name.chars().map(|letter| if letter.is_ascii() { letter } else { '_' }).collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    format!("{kind}; filename=\"{ascii}\"; filename*=UTF-8''{encoded}")
}

/// Removes path separators, characters that end a header, and invisible characters from a name.
fn safe_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let is_safe = |letter: &char| {
        // Direction marks make `fdp.exe` look like `exe.pdf`.
        let is_direction_mark =
            matches!(*letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        !letter.is_control() && !is_direction_mark && !"\"\\<>:|?*;%".contains(*letter)
    };
    let safe: String = last.chars().filter(is_safe).collect();
    let safe = safe.trim_matches(['.', ' ']);
    let n_characters = safe.chars().count();
    // The end is kept, because it contains the file extension.
    safe.chars().skip(n_characters.saturating_sub(MAX_NAME)).collect()
}

#[cfg(test)]
mod tests {
    use domain::id::MediaId;
    use engine::ports::{MediaOrigin, MediaState};
    use jiff::Timestamp;

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
    fn files_that_a_browser_could_run_are_saved() {
        for mime_type in ["text/html", "image/svg+xml", "application/pdf", "text/plain", "", "video"] {
            assert!(named(mime_type, None).starts_with("attachment; "), "{mime_type}");
        }
        for mime_type in ["image/png", "IMAGE/JPEG", "audio/ogg; codecs=opus", "video/mp4"] {
            assert!(named(mime_type, None).starts_with("inline; "), "{mime_type}");
        }
    }

    #[test]
    fn unsafe_characters_are_removed_from_a_name() {
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
        assert_eq!(safe_name(&long).chars().count(), MAX_NAME);
        assert!(safe_name(&long).ends_with(".pdf"));
    }

    #[test]
    fn a_name_is_written_in_both_forms_and_a_file_without_a_name_gets_one() {
        assert_eq!(
            named("application/pdf", Some("März 1.pdf")),
            "attachment; filename=\"M_rz 1.pdf\"; filename*=UTF-8''M%C3%A4rz%201.pdf"
        );
        let nameless = named("image/png", Some("///"));
        let id = MediaId::from_parts(1, &[7; 10]);
        assert_eq!(nameless, format!("inline; filename=\"{id}.png\"; filename*=UTF-8''{id}.png"));
    }
}
