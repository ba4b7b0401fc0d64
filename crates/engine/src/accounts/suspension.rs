//! Suspension of accounts (status `held` in the API): Meta refused the account or its access token, and no message is
//! sent until an operator resumes the account or replaces the token.
//!
//! A suspension takes effect in this process at once, also if the store cannot be written. The suspensions that are not
//! in the store yet are in the memory of the process.

use domain::access::audit::AuditAction;
use domain::accounts::account::{Account, AccountStatus};
use domain::accounts::suspension::is_probed;
use domain::id::AccountId;
use domain::meta_error::MetaError;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::audit::audit_entry;
use super::state::Suspension;
use crate::ports::{AccountRecord, AccountSuspension, StoreError};
use crate::{AuditContext, Deps, directory};

/// Beginning of the reason of a suspension; Meta's error code and a colon follow.
const REASON_PREFIX: &str = "Meta refused with code ";

/// Suspends an account because of an error of Meta.
///
/// # Errors
/// The store cannot be written. The account is suspended in this process all the same.
pub async fn suspend_account(deps: &Deps, account: &Account, error: &MetaError) -> Result<(), StoreError> {
    let entry = error.send_entry();
    let title = error.title.as_deref().unwrap_or(entry.title).trim_end_matches('.');
    let reason = format!("{REASON_PREFIX}{}: {title}. {}", error.code, entry.advice);
    let suspension = AccountSuspension { reason, is_probed: is_probed(error) };
    let suspension = Suspension { account: account.clone(), suspension };
    deps.suspensions.lock().insert(account.id, suspension);
    write_suspensions(deps).await
}

/// Suspends an account because of Meta's response to a call with the credentials in `sender`. A refusal of a token that
/// has been replaced since does not suspend the account.
///
/// # Errors
/// The store cannot be written. The account is suspended in this process all the same.
pub(crate) async fn suspend_sender(
    deps: &Deps,
    sender: &AccountRecord,
    error: &MetaError,
) -> Result<(), StoreError> {
    let account = &sender.account;
    let directory = deps.directory.current();
    let known = directory.account(account.workspace, &account.id.to_string());
    let is_replaced =
        known.is_some_and(|known| known.access_token.expose_secret() != sender.access_token.expose_secret());
    if is_replaced && error.is_token_error() {
        return Ok(());
    }
    suspend_account(deps, account, error).await
}

/// Returns `true` if no message can be sent from the account.
pub(crate) fn is_suspended(deps: &Deps, account: &Account) -> bool {
    account.status != AccountStatus::Connected || is_suspended_here(deps, account.id)
}

/// Returns `true` if a queued message is to be sent from a suspended account, to find out if Meta accepts the account
/// again.
pub(crate) fn is_probe_due(deps: &Deps, record: &AccountRecord, now: Timestamp) -> bool {
    record.account.status == AccountStatus::Suspended
        && record.probe_at.is_some_and(|probe_at| probe_at <= now)
        && !is_suspended_here(deps, record.account.id)
}

/// Ends the suspension of an account after Meta accepted a probe, or refused it for a reason of the message. `record` is
/// the account at the start of the probe.
///
/// # Errors
/// The store cannot be written.
pub(crate) async fn resume_after_probe(deps: &Deps, record: &AccountRecord) -> Result<(), StoreError> {
    let account = &record.account;
    let reason = account.status_reason.clone().unwrap_or_default();
    let entry = audit_entry(deps, &AuditContext::gateway(), account, AuditAction::AccountResumed)
        .with("reason", "Meta accepts messages of the account again.");
    deps.accounts.resume_probed_account(account.workspace, account.id, reason, entry).await?;
    directory::refresh(deps).await?;
    deps.queue_hint.notify_one();
    Ok(())
}

/// Returns `true` if the account is suspended and the store does not know the suspension yet.
fn is_suspended_here(deps: &Deps, id: AccountId) -> bool {
    deps.suspensions.lock().contains_key(&id)
}

/// Writes the suspensions that the store does not know yet.
///
/// # Errors
/// The store cannot be written. The next call tries again.
pub(crate) async fn write_suspensions(deps: &Deps) -> Result<(), StoreError> {
    loop {
        let next = deps.suspensions.lock().first_key_value().map(|(_, suspension)| suspension.clone());
        let Some(Suspension { account, suspension }) = next else { return Ok(()) };
        let entry = audit_entry(deps, &AuditContext::gateway(), &account, AuditAction::AccountHeld)
            .with("reason", suspension.reason.as_str());
        deps.accounts
            .update_account_suspension(account.workspace, account.id, Some(suspension), entry)
            .await?;
        // The refresh comes first: the account is suspended at each moment, either here or in the directory.
        directory::refresh(deps).await?;
        deps.suspensions.lock().remove(&account.id);
    }
}

/// Removes a suspension that the store does not know yet.
pub(super) fn remove_unwritten_suspension(deps: &Deps, id: AccountId) {
    deps.suspensions.lock().remove(&id);
}

/// Returns the reason of the account's suspension if Meta refused its access token.
pub(super) fn token_suspension(deps: &Deps, account: &Account) -> Option<String> {
    let unwritten =
        deps.suspensions.lock().get(&account.id).map(|unwritten| unwritten.suspension.reason.clone());
    let written = || account.status_reason.clone().filter(|_| account.status == AccountStatus::Suspended);
    let reason = unwritten.or_else(written)?;
    let (code, _) = reason.strip_prefix(REASON_PREFIX)?.split_once(':')?;
    let error = MetaError { code: code.parse().ok()?, ..MetaError::default() };
    error.is_token_error().then_some(reason)
}

/// Ends the suspension of an account.
///
/// # Errors
/// The store cannot be written.
pub async fn resume_account(deps: &Deps, audit: &AuditContext, account: &Account) -> Result<(), StoreError> {
    remove_unwritten_suspension(deps, account.id);
    let entry = audit_entry(deps, audit, account, AuditAction::AccountResumed);
    deps.accounts.update_account_suspension(account.workspace, account.id, None, entry).await?;
    directory::refresh(deps).await?;
    deps.queue_hint.notify_one();
    Ok(())
}
