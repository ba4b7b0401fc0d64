//! Media types that Meta accepts, with their sizes and extensions
//! (Meta: Media, <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>).
//!
//! **Invariant:** [`TYPES`] has exactly the types that Meta accepts in uploads.

use super::sniff;
use crate::messages::content::MediaKind;

/// Maximum size of a file: Meta's limit for documents, and for files of customers.
pub const MAX_FILE_SIZE: u64 = 100 << 20;

/// A MIME type that Meta accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// MIME type without parameters.
    pub mime: &'static str,
    /// Maximum size in bytes.
    pub max_bytes: u64,
    /// Kinds of media for which the type is allowed.
    pub kinds: &'static [MediaKind],
    /// File name extensions of the type.
    extensions: &'static [&'static str],
}

const IMAGE: &[MediaKind] = &[MediaKind::Image, MediaKind::Document];
const STICKER: &[MediaKind] = &[MediaKind::Sticker, MediaKind::Document];
const VIDEO: &[MediaKind] = &[MediaKind::Video, MediaKind::Document];
const AUDIO: &[MediaKind] = &[MediaKind::Audio, MediaKind::Document];
const DOCUMENT: &[MediaKind] = &[MediaKind::Document];

const fn of(
    mime: &'static str,
    max_bytes: u64,
    kinds: &'static [MediaKind],
    extensions: &'static [&'static str],
) -> MediaType {
    MediaType { mime, max_bytes, kinds, extensions }
}

/// Types that Meta accepts, with their maximum sizes.
pub const TYPES: [MediaType; 19] = [
    of("audio/aac", 16 << 20, AUDIO, &["aac"]),
    of("audio/mp4", 16 << 20, AUDIO, &["m4a", "m4b"]),
    of("audio/mpeg", 16 << 20, AUDIO, &["mp3"]),
    of("audio/amr", 16 << 20, AUDIO, &["amr"]),
    of("audio/ogg", 16 << 20, AUDIO, &["ogg", "oga", "opus"]),
    of("audio/opus", 16 << 20, AUDIO, &["opus"]),
    of("application/vnd.ms-powerpoint", MAX_FILE_SIZE, DOCUMENT, &["ppt", "pps", "pot"]),
    of("application/msword", MAX_FILE_SIZE, DOCUMENT, &["doc", "dot"]),
    of(
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        MAX_FILE_SIZE,
        DOCUMENT,
        &["docx"],
    ),
    of(
        "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        MAX_FILE_SIZE,
        DOCUMENT,
        &["pptx"],
    ),
    of(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        MAX_FILE_SIZE,
        DOCUMENT,
        &["xlsx"],
    ),
    of("application/pdf", MAX_FILE_SIZE, DOCUMENT, &["pdf"]),
    of("text/plain", MAX_FILE_SIZE, DOCUMENT, &["txt", "text", "csv", "log", "md"]),
    of("application/vnd.ms-excel", MAX_FILE_SIZE, DOCUMENT, &["xls", "xlt"]),
    of("image/jpeg", 5 << 20, IMAGE, &["jpg", "jpeg"]),
    of("image/png", 5 << 20, IMAGE, &["png"]),
    of("image/webp", 500 << 10, STICKER, &["webp"]),
    of("video/mp4", 16 << 20, VIDEO, &["mp4", "m4v"]),
    of("video/3gpp", 16 << 20, VIDEO, &["3gp", "3gpp"]),
];

/// Maximum size of a static sticker.
const STILL_STICKER: u64 = 100 << 10;

impl MediaType {
    /// Returns the type with this name. Parameters and case are ignored.
    pub fn named(mime: &str) -> Option<&'static Self> {
        let base = essence(mime);
        TYPES.iter().find(|known| known.mime == base)
    }

    /// Returns `true` if the type is allowed for this kind of media.
    pub fn fits(&self, kind: MediaKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Returns the maximum size of a file that begins with `head`.
    pub fn max_bytes_for(&self, head: &[u8]) -> u64 {
        if self.mime == "image/webp" && !sniff::is_animated(head) { STILL_STICKER } else { self.max_bytes }
    }

    /// Returns the usual file name extension.
    pub fn extension(&self) -> &'static str {
        self.extensions.first().copied().unwrap_or("bin")
    }

    pub(super) fn has_extension(&self, file_name: &str) -> bool {
        let Some((_, extension)) = file_name.rsplit_once('.') else { return false };
        self.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
    }
}

/// Returns the names of the types for this kind of media, for a sentence.
pub fn supported_types(kind: MediaKind) -> String {
    let fitting = TYPES.iter().filter(|known| match kind {
        // Images, videos and audio may also be sent as documents. The list leaves them out to stay short.
        MediaKind::Document => known.kinds == DOCUMENT,
        MediaKind::Image | MediaKind::Video | MediaKind::Audio | MediaKind::Sticker => known.fits(kind),
    });
    fitting.map(|known| known.mime).collect::<Vec<_>>().join(", ")
}

/// Returns a MIME type without parameters, in lower case.
pub fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
