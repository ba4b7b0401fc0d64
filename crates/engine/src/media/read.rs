//! Reading of files.

use domain::id::{AccountId, MediaId};

use crate::access::caller::Caller;
use crate::deps::Deps;
use crate::ports::{BlobError, BlobKey, ByteStream, MediaState, StoreError, StoredMedia};

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
