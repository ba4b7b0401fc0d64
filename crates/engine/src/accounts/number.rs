//! What is set of a number at Meta: its subscription, its registration, its profile.

use domain::access::audit::{AuditAction, AuditEntry};
use domain::json::{Object, Value};
use secrecy::SecretString;

use crate::accounts::{line, subject};
use crate::ports::{AccountRecord, StoreError, UpstreamError};
use crate::{AuditContext, Deps, directory};

/// Why something could not be set.
#[derive(Debug, thiserror::Error)]
pub enum NumberError {
    /// Meta did not do it.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Subscribes the token's app to the account's webhooks. Returns the apps that hear them.
///
/// # Errors
/// When Meta does not do it, or the store cannot be written.
pub async fn subscribe(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
) -> Result<Vec<String>, NumberError> {
    let line = line(record);
    deps.upstream_admin.subscribe_app(&line).await?;
    deps.audit_log.insert_audit_entry(entry(deps, audit, record, AuditAction::AccountSubscribed)).await?;
    Ok(deps.upstream.list_subscribed_apps(&line).await?)
}

/// What was done at Meta, for the audit log.
fn entry(deps: &Deps, audit: &AuditContext, record: &AccountRecord, action: AuditAction) -> AuditEntry {
    audit.entry(deps, record.account.workspace, action, subject(&record.account))
}

/// Registers the number with its PIN, and writes down what Meta then says of it.
///
/// # Errors
/// When Meta does not do it, or the store cannot be written.
pub async fn register(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    pin: &SecretString,
) -> Result<(), NumberError> {
    let line = line(record);
    deps.upstream_admin.register_phone_number(&line, pin).await?;
    deps.audit_log.insert_audit_entry(entry(deps, audit, record, AuditAction::AccountRegistered)).await?;
    let account = &record.account;
    // It is registered, whether or not Meta then tells of it.
    if let Ok(number) = deps.upstream.get_phone_number(&line).await {
        deps.accounts.update_account_number(account.workspace, account.id, &number, deps.now()).await?;
        directory::refresh(deps).await?;
    }
    Ok(())
}

/// The number's business profile.
///
/// # Errors
/// When Meta does not tell it.
pub async fn profile(deps: &Deps, record: &AccountRecord) -> Result<Object, UpstreamError> {
    deps.upstream_admin.get_business_profile(&line(record)).await
}

/// Changes the business profile, and returns it as it is then.
///
/// # Errors
/// When Meta does not do it, or the store cannot be written.
pub async fn set_profile(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    change: &Object,
) -> Result<Object, NumberError> {
    let line = line(record);
    if !change.is_empty() {
        deps.upstream_admin.update_business_profile(&line, change).await?;
        let fields = change.iter().map(|(name, _)| Value::from(name.to_owned())).collect();
        let entry =
            entry(deps, audit, record, AuditAction::ProfileChanged).with("fields", Value::Array(fields));
        deps.audit_log.insert_audit_entry(entry).await?;
    }
    Ok(deps.upstream_admin.get_business_profile(&line).await?)
}
