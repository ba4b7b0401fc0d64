//! Media files: types and sizes that Meta accepts, files in messages of customers, and the schedule of downloads
//! (Meta: Media, <https://developers.facebook.com/docs/whatsapp/cloud-api/reference/media>).

mod content_disposition;
mod file_name;
mod inbound_media;
mod link;
mod media_type;
mod sniff;

use jiff::{SignedDuration, Timestamp};

pub use content_disposition::{file_name_of_header, file_name_of_path};
pub use file_name::{media_type_of_name, upload_file_name};
pub use inbound_media::{InboundMedia, inbound_media, parse_sha256};
pub use link::file_name_of_link;
pub use media_type::{MAX_FILE_SIZE, MediaType, TYPES, essence, supported_types};
pub use sniff::DetectedType;

/// Number of bytes at the beginning of a file that decide its type.
pub const SNIFF_BYTES: usize = 4096;

/// Time for which Meta keeps an uploaded file.
pub const UPLOAD_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Time before that end at which a file is uploaded again: Meta reads a file only some time after it accepted the
/// message.
const RENEW_BEFORE: SignedDuration = SignedDuration::from_hours(24);

/// Time for which Meta keeps a customer's file. Downloads are retried for this long.
pub const DOWNLOAD_RETRY_PERIOD: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Maximum wait after the first failed download. The maximum doubles with each failure.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(5);
/// Maximum wait.
const MAX_WAIT: SignedDuration = SignedDuration::from_hours(1);
/// Minimum wait. Full jitter alone may draw zero.
const MIN_WAIT: SignedDuration = SignedDuration::from_secs(1);

/// Type of a file as its sender declares it.
#[derive(Clone, Copy, Debug, Default)]
pub struct DeclaredType<'a> {
    /// MIME type; `application/octet-stream` is ignored.
    pub mime: Option<&'a str>,
    /// File name.
    pub file_name: Option<&'a str>,
}

/// Reason why a file cannot be sent to Meta.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// Meta does not accept the type.
    #[error("is {0}, which Meta does not take; it takes {all}", all = TYPES.map(|known| known.mime).join(", "))]
    Unsupported(String),
    /// The content does not match the declared type.
    #[error("is said to be {declared_mime}, but its content is {found}")]
    Mismatch {
        /// Declared type.
        declared_mime: String,
        /// Detected type.
        found: &'static str,
    },
    /// The content is text, but the extension of the file name is that of another type.
    #[error("is named {file_name}, but its content is {found}")]
    NameMismatch {
        /// File name.
        file_name: String,
        /// Detected type.
        found: &'static str,
    },
    /// The file has no content.
    #[error("is empty")]
    Empty,
}

/// Returns the type of a file from its first bytes ([`SNIFF_BYTES`] of them, or all) and from its declared type.
///
/// The content decides which types are possible. The declared MIME type decides between them (a Word and an Excel file
/// of the old format begin alike), or else the file name does. Text whose name or declared type says that it is something
/// else is refused: it is usually the error page of a file server. For other content the name says nothing: files are
/// often named wrongly, and Meta gets a name that agrees with the content ([`upload_file_name`]).
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
    if let Some(file_name) = declared.file_name
        && found.is_text()
        && file_name::media_type_of_name(file_name).is_some_and(|named| named.mime != "text/plain")
    {
        return Err(MediaTypeError::NameMismatch { file_name: file_name.to_owned(), found: found.name() });
    }
    let candidates = || found.can_be().iter().filter_map(|mime| MediaType::named(mime));
    if let Some(declared_mime) = declared_mime {
        // Browsers on Windows declare CSV files as Excel files.
        let is_csv = found == DetectedType::Text
            && declared_mime == "application/vnd.ms-excel"
            && declared.file_name.is_some_and(|name| file_name::extension(name) == Some("csv"));
        let declared_mime = if is_csv { "text/plain" } else { alias(&declared_mime) }.to_owned();
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

/// Returns `true` if a MIME type says nothing about the content.
fn is_vague(mime: &str) -> bool {
    matches!(
        mime,
        "" | "application/octet-stream" | "binary/octet-stream" | "application/x-www-form-urlencoded"
    )
}

/// Returns the standard name of a type that has several names.
fn alias(mime: &str) -> &str {
    match mime {
        "image/jpg" | "image/pjpeg" => "image/jpeg",
        "audio/mp3" => "audio/mpeg",
        "audio/x-m4a" | "audio/m4a" => "audio/mp4",
        "audio/x-aac" => "audio/aac",
        "video/3gp" => "video/3gpp",
        "audio/opus" | "application/ogg" | "audio/x-opus+ogg" => "audio/ogg",
        "application/x-pdf" => "application/pdf",
        "text/csv" | "application/csv" | "text/x-csv" | "text/comma-separated-values" | "text/markdown" => {
            "text/plain"
        }
        other => other,
    }
}

/// Returns the type under which a stored file is uploaded to Meta; `None` if Meta does not accept the type.
pub fn upload_type(mime: &str) -> Option<&'static MediaType> {
    MediaType::named(alias(&essence(mime)))
}

/// Returns the time from which an upload is not used any more.
pub fn upload_expires_at(uploaded_at: Timestamp) -> Timestamp {
    let span = UPLOAD_LIFETIME.saturating_sub(RENEW_BEFORE);
    uploaded_at.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// Returns the time of the next download after the n-th failure (from 1), with full jitter below a maximum that
/// doubles. Returns `None` if Meta no longer has the file.
pub fn next_download_at(n_failures: u32, since: Timestamp, now: Timestamp, random: u64) -> Option<Timestamp> {
    let doublings = n_failures.saturating_sub(1).min(20);
    let ceiling = FIRST_WAIT.saturating_mul(2_i32.saturating_pow(doublings)).min(MAX_WAIT);
    let width = ceiling.saturating_sub(MIN_WAIT).as_micros().unsigned_abs();
    // The random number is a fraction of 2^64.
    let drawn = width.saturating_mul(random.into()) >> 64;
    let wait = MIN_WAIT.saturating_add(SignedDuration::from_micros(i64::try_from(drawn).unwrap_or(0)));
    let at = now.saturating_add(wait).ok()?;
    (at < since.saturating_add(DOWNLOAD_RETRY_PERIOD).ok()?).then_some(at)
}
