//! Marking of inbound messages as read.

use domain::messages::direction::Direction;

use crate::Deps;
use crate::access::caller::Caller;
use crate::messages::admission::choose_account;
use crate::messages::outcome::SendError;
use crate::ports::{MessageKey, StoreError, UpstreamError};

/// Error of marking a message as read.
#[derive(Debug)]
pub enum MarkReadError {
    /// There is no such inbound message.
    NotFound,
    /// The account cannot be used.
    Account(SendError),
    /// Meta refused the call, or did not respond.
    Upstream(UpstreamError),
    /// The store failed.
    Store(StoreError),
}

/// Marks an inbound message as read, and shows a typing indicator if `is_typing`.
///
/// # Errors
/// [`MarkReadError`].
pub async fn mark_message_read(
    deps: &Deps,
    caller: &Caller,
    key: &MessageKey,
    is_typing: bool,
) -> Result<(), MarkReadError> {
    let detail = deps.messages.get_message(caller.workspace(), key).await.map_err(MarkReadError::Store)?;
    let message = detail
        .map(|detail| detail.message)
        .filter(|message| message.direction == Direction::Inbound)
        .ok_or(MarkReadError::NotFound)?;
    let wamid = message.wamid.ok_or(MarkReadError::NotFound)?;
    let record =
        choose_account(deps, caller, Some(&message.account.to_string())).map_err(MarkReadError::Account)?;
    deps.upstream
        .mark_message_read(&record.credentials(), &wamid, is_typing)
        .await
        .map_err(MarkReadError::Upstream)
}
