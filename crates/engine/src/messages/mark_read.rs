//! Marking a customer's message as read.

use domain::messages::direction::Direction;

use crate::Deps;
use crate::access::caller::Caller;
use crate::messages::send::{SendError, choose_account};
use crate::ports::{MessageKey, StoreError, UpstreamError};

/// Why a message was not marked as read.
#[derive(Debug)]
pub enum ReadError {
    /// No such message of a customer.
    NotFound,
    /// The key may not use the account.
    Account(SendError),
    /// Meta said no or did not answer.
    Upstream(UpstreamError),
    /// The store failed.
    Store(StoreError),
}

/// Marks a customer's message as read, and shows a typing bubble if asked (reference A.13).
///
/// # Errors
/// [`ReadError`].
pub async fn mark_read(
    deps: &Deps,
    caller: &Caller,
    key: &MessageKey,
    is_typing: bool,
) -> Result<(), ReadError> {
    let detail = deps.messages.get_message(caller.workspace(), key).await.map_err(ReadError::Store)?;
    let message = detail
        .map(|detail| detail.message)
        .filter(|message| message.direction == Direction::Inbound)
        .ok_or(ReadError::NotFound)?;
    let wamid = message.wamid.ok_or(ReadError::NotFound)?;
    let record =
        choose_account(deps, caller, Some(&message.account.to_string())).map_err(ReadError::Account)?;
    deps.upstream
        .mark_message_read(&record.credentials(), &wamid, is_typing)
        .await
        .map_err(ReadError::Upstream)
}
