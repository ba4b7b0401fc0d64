//! Check of the files of a message, when the message is accepted.

use domain::check::Violation;
use domain::id::MediaId;
use domain::media::{media_type_of_name, supported_types, upload_type};
use domain::messages::content::{Content, MediaRef, MediaSource};
use jiff::Timestamp;

use super::read::find;
use crate::access::caller::Caller;
use crate::deps::Deps;
use crate::ports::{BlobKey, MediaState, StoreError, StoredMedia};

/// Content of a message whose files are to be checked.
#[derive(Clone, Copy)]
pub(crate) struct MediaCheck<'a> {
    /// Content of the message.
    pub(crate) content: &'a Content,
    /// JSON pointer of the object that the type of the message names.
    pub(crate) pointer: &'a str,
    /// Time until which the message may need its files, and the files are retained. `None` in a dry run: the files must
    /// exist now, and their retention does not change.
    pub(crate) retain_until: Option<Timestamp>,
}

/// Error of a check.
#[derive(Debug)]
pub(crate) enum MediaCheckError {
    /// Files of the message do not exist or are not supported.
    Unusable(Vec<Violation>),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for MediaCheckError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Checks the files that a message names by Waypost's media IDs: each file exists, and its type is supported.
///
/// # Errors
/// [`MediaCheckError`].
pub(crate) async fn check(
    deps: &Deps,
    caller: &Caller,
    check: MediaCheck<'_>,
) -> Result<(), MediaCheckError> {
    let mut violations = Vec::new();
    for media_ref in check.content.media_refs() {
        let MediaSource::Id(text) = media_ref.source else { continue };
        let Ok(id) = text.parse::<MediaId>() else { continue };
        let found = find(deps, caller, id).await?;
        let reason = match found.as_ref().map(|media| (unusable_reason(media, &media_ref), media)) {
            None => Some("is not the ID of a file: upload the file with POST /api/media".to_owned()),
            Some((Some(reason), _)) => Some(reason),
            Some((None, media)) => {
                let key = BlobKey { workspace: caller.workspace(), media: id };
                let retain_until =
                    check.retain_until.filter(|until| media.expires_at.is_some_and(|at| at < *until));
                let is_retained = match retain_until {
                    Some(until) => deps.media.records.retain_media(key, until).await?,
                    None => true,
                };
                (!is_retained).then(|| "is the ID of a file that has expired".to_owned())
            }
        };
        let pointer = || format!("{}{}/id", check.pointer, media_ref.pointer);
        violations.extend(reason.map(|reason| Violation::new(pointer(), reason)));
    }
    if violations.is_empty() { Ok(()) } else { Err(MediaCheckError::Unusable(violations)) }
}

/// Returns the reason for which a message cannot use a file.
pub(super) fn unusable_reason(media: &StoredMedia, media_ref: &MediaRef<'_>) -> Option<String> {
    match media.state {
        MediaState::Ready => {}
        MediaState::Pending | MediaState::Receiving => {
            return Some("is the ID of a file that is still being downloaded".to_owned());
        }
        MediaState::Failed | MediaState::Gone => {
            return Some("is the ID of a file that is not available".to_owned());
        }
    }
    let mime_type = media.mime_type.as_deref().unwrap_or("of no known type");
    let media_type = upload_type(mime_type);
    if !media_type.is_some_and(|known| known.fits(media_ref.kind)) {
        return Some(format!("is {mime_type}, but must be one of {}", supported_types(media_ref.kind)));
    }
    // Other content may have any name; text under the name of another type is usually an error page.
    let is_text = media_type.is_some_and(|known| known.mime == "text/plain");
    let file_name = media_ref.file_name.filter(|name| is_text && media_type_of_name(name) != media_type)?;
    media_type_of_name(file_name).map(|_| format!("is named {file_name}, but its content is text"))
}
