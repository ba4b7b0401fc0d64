//! Deletion of accounts.

use domain::access::audit::AuditAction;
use domain::accounts::account::Account;

use super::audit::audit_entry;
use crate::ports::{DeleteAccountResult, StoreError};
use crate::{AuditContext, Deps, directory};

/// Maximum number of messages of a deleted account that are canceled in one transaction.
const CANCEL_BATCH: u32 = 500;

/// Deletes an account. Queued messages prevent the deletion, unless it `is_forced`: then the messages are canceled.
///
/// # Errors
/// The store cannot be written.
pub async fn delete_account(
    deps: &Deps,
    audit: &AuditContext,
    account: &Account,
    is_forced: bool,
) -> Result<DeleteAccountResult, StoreError> {
    let entry = audit_entry(deps, audit, account, AuditAction::AccountRemoved).with("forced", is_forced);
    let result = deps.accounts.delete_account(account.workspace, account.id, is_forced, entry).await?;
    if result == DeleteAccountResult::Deleted {
        directory::refresh(deps).await?;
        // A process that has not refreshed its directory may still queue messages. Its recovery loop cancels them.
        while is_forced && deps.message_queue.expire_messages(deps.now(), CANCEL_BATCH).await? > 0 {}
    }
    Ok(result)
}
