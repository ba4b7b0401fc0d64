//! Files: which of them Meta takes and how large they may be (reference A.4, E.2), what a customer's message says of its
//! file (C.4), and when a fetch that failed is tried again (E.5).
//!
//! **Invariant:** a type is in [`TYPES`] exactly when Meta lets it be uploaded.

mod inbound_media;
mod sniff;

use jiff::{SignedDuration, Timestamp};

use crate::messages::content::MediaKind;

pub use inbound_media::{InboundMedia, inbound_media, parse_sha256};
pub use sniff::DetectedType;

/// How many bytes of a file's beginning tell what it is.
pub const SNIFF_BYTES: usize = 4096;

/// The largest file of all: Meta's limit for documents (A.4), and for what customers send (C.4).
pub const MAX_FILE_SIZE: u64 = 100 << 20;

/// How long Meta keeps what was uploaded (E.5).
pub const UPLOAD_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How long before that end an upload is made anew: Meta looks at a file only some time after it took the message.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// How long Meta keeps what a customer has sent (E.5): so long it is fetched again and again.
pub const DOWNLOAD_RETRY_PERIOD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest first wait after a fetch that failed; it doubles with each.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);
/// The longest wait of all.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// The shortest: full jitter may draw nothing at all.
const MIN_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// One type that Meta takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// Its MIME type, without parameters.
    pub mime: &'static str,
    /// The most bytes.
    pub max_bytes: u64,
    /// In which places of a message it may stand.
    pub kinds: &'static [MediaKind],
    /// The ends of file names that go with it.
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

/// Everything that Meta takes (reference E.2), with its largest size (A.4).
pub const TYPES: [MediaType; 19] = [
    of("audio/aac", 16 << 20, AUDIO, &["aac"]),
    of("audio/mp4", 16 << 20, AUDIO, &["m4a", "m4b"]),
    of("audio/mpeg", 16 << 20, AUDIO, &["mp3"]),
    of("audio/amr", 16 << 20, AUDIO, &["amr"]),
    of("audio/ogg", 16 << 20, AUDIO, &["ogg", "oga"]),
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

/// The most bytes of a sticker that does not move (A.4).
const STILL_STICKER: u64 = 100 << 10;

impl MediaType {
    /// The type with this name; parameters and case do not count.
    pub fn named(mime: &str) -> Option<&'static Self> {
        let base = essence(mime);
        TYPES.iter().find(|known| known.mime == base)
    }

    /// Whether it may stand in such a place of a message.
    pub fn fits(&self, kind: MediaKind) -> bool {
        self.kinds.contains(&kind)
    }

    /// The most bytes of a file with this beginning.
    pub fn max_bytes_for(&self, head: &[u8]) -> u64 {
        if self.mime == "image/webp" && !sniff::is_animated(head) { STILL_STICKER } else { self.max_bytes }
    }

    /// The usual end of its files' names.
    pub fn extension(&self) -> &'static str {
        self.extensions.first().copied().unwrap_or("bin")
    }

    fn has_extension(&self, file_name: &str) -> bool {
        let Some((_, extension)) = file_name.rsplit_once('.') else { return false };
        self.extensions.iter().any(|known| known.eq_ignore_ascii_case(extension))
    }
}

/// The names of the types that fit such a place, for a sentence.
pub fn supported_types(kind: MediaKind) -> String {
    let fitting = TYPES.iter().filter(|known| match kind {
        // What is meant to be seen or heard may be sent as a file, too, but nobody looks for that in a list.
        MediaKind::Document => known.kinds == DOCUMENT,
        MediaKind::Image | MediaKind::Video | MediaKind::Audio | MediaKind::Sticker => known.fits(kind),
    });
    fitting.map(|known| known.mime).collect::<Vec<_>>().join(", ")
}

/// A MIME type without parameters, in lower case.
pub fn essence(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What a file is said to be.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeclaredType<'a> {
    /// The MIME type; `application/octet-stream` says nothing.
    pub mime: Option<&'a str>,
    /// The name.
    pub file_name: Option<&'a str>,
}

/// Why a file cannot go to Meta.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// Meta takes no such type.
    #[error("is {0}, which Meta does not take; it takes {all}", all = TYPES.map(|known| known.mime).join(", "))]
    Unsupported(String),
    /// Its content is not what it is said to be.
    #[error("is said to be {declared_mime}, but its content is {found}")]
    Mismatch {
        /// What it is said to be.
        declared_mime: String,
        /// What it is.
        found: &'static str,
    },
    /// It has no content.
    #[error("is empty")]
    Empty,
}

/// What a file is, by its first bytes ([`SNIFF_BYTES`] of them, or all there are) and by what is said of it.
///
/// The content decides which types it can be; what is said decides between them (a Word and an Excel file of the old
/// kind begin alike), then the name does.
///
/// # Errors
/// [`MediaTypeError`].
pub fn resolve_media_type(
    declared: DeclaredType<'_>,
    head: &[u8],
) -> Result<&'static MediaType, MediaTypeError> {
    if head.is_empty() {
        return Err(MediaTypeError::Empty);
    }
    let declared_mime = declared.mime.map(essence).filter(|mime| !is_vague(mime));
    let found = DetectedType::of(head);
    let candidates = || found.can_be().iter().filter_map(|mime| MediaType::named(mime));
    if let Some(declared_mime) = declared_mime {
        let declared_mime = alias(&declared_mime).to_owned();
        let Some(known) = MediaType::named(&declared_mime) else {
            return Err(MediaTypeError::Unsupported(declared_mime));
        };
        return candidates()
            .find(|candidate| *candidate == known)
            .ok_or(MediaTypeError::Mismatch { declared_mime, found: found.name() });
    }
    let by_name =
        declared.file_name.and_then(|name| candidates().find(|candidate| candidate.has_extension(name)));
    by_name
        .or_else(|| candidates().next())
        .ok_or_else(|| MediaTypeError::Unsupported(found.name().to_owned()))
}

/// Whether a MIME type says nothing about the content.
fn is_vague(mime: &str) -> bool {
    matches!(
        mime,
        "" | "application/octet-stream" | "binary/octet-stream" | "application/x-www-form-urlencoded"
    )
}

/// Other usual names of types that Meta takes.
fn alias(mime: &str) -> &str {
    match mime {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "audio/mp3" => "audio/mpeg",
        "audio/x-m4a" | "audio/m4a" => "audio/mp4",
        "audio/x-aac" => "audio/aac",
        "video/3gp" => "video/3gpp",
        other => other,
    }
}

/// When Meta's id of an upload stops being used.
pub fn upload_expires_at(uploaded_at: Timestamp) -> Timestamp {
    let span = UPLOAD_LIFETIME.saturating_sub(RENEW_BEFORE);
    uploaded_at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// When a fetch is tried again after its n-th failure (from 1): full jitter below a ceiling that doubles. `None`: Meta
/// has it no more.
pub fn next_download_at(n_failures: u32, since: Timestamp, now: Timestamp, random: u64) -> Option<Timestamp> {
    let doublings = n_failures.saturating_sub(1).min(20);
    let ceiling = FIRST_WAIT.saturating_mul(2_i32.saturating_pow(doublings)).min(MAX_WAIT);
    let width = ceiling.saturating_sub(MIN_WAIT).as_micros().unsigned_abs();
    // A fraction of the width in whole numbers: the random counts in parts of 2^64.
    let drawn = width.saturating_mul(random.into()) >> 64;
    let wait = MIN_WAIT.saturating_add(SignedDuration::from_micros(i64::try_from(drawn).unwrap_or(0)));
    let at = now.saturating_add(wait).ok()?;
    (at < since.saturating_add(DOWNLOAD_RETRY_PERIOD).ok()?).then_some(at)
}
