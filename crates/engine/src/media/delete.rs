//! Deletion of a file by a caller.

use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::id::{MediaId, MessageId};

use super::read::find;
use crate::AuditContext;
use crate::access::caller::Caller;
use crate::deps::Deps;
use crate::ports::{BlobKey, DeleteMediaResult, StoreError};

/// Error of the deletion of a file.
#[derive(Debug)]
pub enum DeleteMediaError {
    /// The file does not exist, or the caller has no access to the file.
    NotFound,
    /// A message waits and needs the file.
    InUse(MessageId),
    /// The store failed.
    Store(StoreError),
}

impl From<StoreError> for DeleteMediaError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Deletes a file. Its content is deleted soon afterwards, in the background.
///
/// # Errors
/// [`DeleteMediaError`].
pub async fn delete_media(
    deps: &Deps,
    caller: &Caller,
    audit: &AuditContext,
    id: MediaId,
) -> Result<(), DeleteMediaError> {
    if find(deps, caller, id).await?.is_none() {
        return Err(DeleteMediaError::NotFound);
    }
    let key = BlobKey { workspace: caller.workspace(), media: id };
    let found = deps.media.records.get_media_use(key).await?;
    if let Some(message) = found.message {
        return Err(DeleteMediaError::InUse(message));
    }
    let target = AuditTarget { kind: AuditTargetKind::Media, id: id.to_string(), name: None };
    let entry = audit.entry(deps, caller.workspace(), AuditAction::MediaRemoved, target);
    match deps.media.records.delete_unused_media(key, found.newest, entry).await? {
        DeleteMediaResult::Deleted => Ok(()),
        DeleteMediaResult::InUse(message) => Err(DeleteMediaError::InUse(message)),
        DeleteMediaResult::NotFound => Err(DeleteMediaError::NotFound),
    }
}
