//! The header `Content-Disposition` of downloads.

use domain::media::{MediaType, essence};
use engine::ports::StoredMedia;

/// The longest file name that is given out, in characters.
const LONGEST_NAME: usize = 150;

/// Whether a browser shows it or saves it, and under which name: pictures of pixels, sounds and videos are shown.
pub(crate) fn disposition(file: &StoredMedia) -> String {
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
