//! Files: files of inbound messages are downloaded from Meta; files for outbound messages are stored and uploaded to Meta.
//!
//! **Invariant:** the use of memory does not depend on the size of a file: files are streamed.
//!
//! **Invariant:** each stored content has a row, and a row with the state `ready` has complete content.

mod byte_stream;
mod check;
mod inbound;
mod link_cache;
mod outbound;
pub(crate) mod state;
mod store;
mod uploads;

use domain::id::{AccountId, MediaId};

use crate::Deps;
use crate::access::caller::Caller;
use crate::ports::{BlobError, BlobKey, ByteStream, MediaState, StoreError, StoredMedia};

pub(crate) use check::{MediaCheck, MediaCheckError, check};
pub use inbound::{EXPIRY_INTERVAL, POLL_INTERVAL, delete_expired, tick};
pub(crate) use outbound::{MediaError, failure, prepare};
pub use state::{Media, MediaPorts, MediaSettings};
pub use store::{MediaStoreError, NewFile, StagedFile, commit_file, discard_file, stage_file};

/// Returns a file; `None` if the file does not exist, or the caller has no access to the file.
///
/// # Errors
/// The store cannot be read.
pub async fn find(deps: &Deps, caller: &Caller, id: MediaId) -> Result<Option<StoredMedia>, StoreError> {
    let found = deps.media.records.get_media(caller.workspace(), id).await?;
    let is_visible =
        |account: Option<AccountId>| account.is_none_or(|account| caller.can_see_account(deps, account));
    Ok(found.filter(|media| {
        is_visible(media.account) && !matches!(media.state, MediaState::Receiving | MediaState::Gone)
    }))
}

/// Returns a range of the content of a file; `None` if the content was deleted.
///
/// # Errors
/// The content cannot be read.
pub async fn content(
    deps: &Deps,
    caller: &Caller,
    media: &StoredMedia,
    range: std::ops::Range<u64>,
) -> Result<Option<ByteStream>, BlobError> {
    let key = BlobKey { workspace: caller.workspace(), media: media.id };
    deps.media.blobs.read_blob(key, range).await
}
