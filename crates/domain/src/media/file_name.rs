//! Names of files that are uploaded to Meta.
//!
//! Meta derives the type of a file from the extension of its name as well as from the declared type: an Ogg file named
//! `voice.mp4`, or without an extension, is accepted and its message fails with 131053.
//!
//! **Invariant:** the extension of [`upload_file_name`] is one of the file's type.

use super::media_type::{MediaType, TYPES};

/// Extensions that exist for a type, but with which Meta does not recognise the type.
const NOT_RECOGNISED: [&str; 1] = ["opus"];

/// Name that programs give to a file without a name: JavaScript's `FormData`, and downloads.
const PLACEHOLDERS: [&str; 3] = ["blob", "file", "unnamed"];

/// Returns the name under which a file is uploaded to Meta: the name that is known of it, with an extension of its type.
///
/// The extension of another media type is replaced (`voice.mp4` of an Ogg file: `voice.ogg`); any other end of the name
/// stays part of it (`report.final` of a PDF file: `report.final.pdf`).
pub fn upload_file_name(known: Option<&str>, media_type: &MediaType) -> String {
    let name = known.map(str::trim).filter(|name| !name.is_empty() && !is_placeholder(name));
    let Some(name) = name else { return format!("{}.{}", stem_of(media_type), media_type.extension()) };
    let is_recognised = extension(name)
        .is_none_or(|extension| !NOT_RECOGNISED.iter().any(|other| other.eq_ignore_ascii_case(extension)));
    if media_type.has_extension(name) && is_recognised {
        return name.to_owned();
    }
    let stem = match (media_type_of_name(name), name.rsplit_once('.')) {
        (Some(_), Some((stem, _))) if !stem.is_empty() => stem,
        _ => name,
    };
    format!("{stem}.{}", media_type.extension())
}

/// Returns the type whose extension a file name has.
pub fn media_type_of_name(file_name: &str) -> Option<&'static MediaType> {
    TYPES.iter().find(|known| known.has_extension(file_name))
}

/// Returns the extension of a file name, without the dot.
pub(super) fn extension(file_name: &str) -> Option<&str> {
    file_name.rsplit_once('.').map(|(_, extension)| extension)
}

/// Returns `true` if a name says nothing about the file.
fn is_placeholder(name: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| placeholder.eq_ignore_ascii_case(name))
}

/// Returns the name, without its extension, of a file of a type whose name is not known.
fn stem_of(media_type: &MediaType) -> &'static str {
    match media_type.mime.split_once('/') {
        Some(("image", _)) => "image",
        Some(("video", _)) => "video",
        Some(("audio", _)) => "audio",
        _ => "document",
    }
}
