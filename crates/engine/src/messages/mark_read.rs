//! Marking of inbound messages as read.

use domain::messages::direction::Direction;
use jiff::Timestamp;

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

/// Maximum number of messages that are marked in one transaction.
const BATCH: u32 = 1000;

/// Marks an inbound message as read, with the earlier messages of its conversation, and shows a typing indicator if `is_typing`.
///
/// Returns the time at which the message was first marked.
///
/// # Errors
/// [`MarkReadError`].
pub async fn mark_message_read(
    deps: &Deps,
    caller: &Caller,
    key: &MessageKey,
    is_typing: bool,
) -> Result<Timestamp, MarkReadError> {
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
        .map_err(MarkReadError::Upstream)?;
    let now = deps.now();
    let mark = || deps.messages.update_messages_read(caller.workspace(), message.id, now, BATCH);
    while mark().await.map_err(MarkReadError::Store)? == BATCH {}
    Ok(message.read_at.unwrap_or(now))
}
