//! Phone numbers at Meta: webhook subscription, registration, business profile, status.

use domain::access::audit::AuditAction;
use domain::accounts::account::Account;
use domain::json::{Object, Value};
use secrecy::SecretString;

use super::audit::audit_entry;
use crate::ports::{AccountRecord, PhoneNumberInfo, StoreError, TokenInfo, UpstreamError};
use crate::{AuditContext, Deps, directory};

/// Reason why a change at Meta failed.
#[derive(Debug, thiserror::Error)]
pub enum PhoneNumberError {
    /// Meta refused the call or could not be reached.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Subscribes the app of the access token to the webhooks of the WhatsApp Business Account. Returns the names of all
/// subscribed apps.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written.
pub async fn subscribe_app(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
) -> Result<Vec<String>, PhoneNumberError> {
    let credentials = record.credentials();
    deps.upstream_admin.subscribe_app(&credentials).await?;
    let entry = audit_entry(deps, audit, &record.account, AuditAction::AccountSubscribed);
    deps.audit_log.insert_audit_entry(entry).await?;
    Ok(deps.upstream.list_subscribed_apps(&credentials).await?)
}

/// Registers the phone number with its two-step verification PIN, and updates its status in the store.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written.
pub async fn register_phone_number(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    pin: &SecretString,
) -> Result<(), PhoneNumberError> {
    let credentials = record.credentials();
    deps.upstream_admin.register_phone_number(&credentials, pin).await?;
    let entry = audit_entry(deps, audit, &record.account, AuditAction::AccountRegistered);
    deps.audit_log.insert_audit_entry(entry).await?;
    // The registration has succeeded, also if the status cannot be read. The hourly refresh reads the status again.
    if let Ok(number) = deps.upstream.get_phone_number(&credentials).await {
        update_phone_number(deps, &record.account, &number).await?;
        directory::refresh(deps).await?;
    }
    Ok(())
}

/// Returns the business profile of the phone number.
///
/// # Errors
/// Meta refused the call or could not be reached.
pub async fn get_business_profile(deps: &Deps, record: &AccountRecord) -> Result<Object, UpstreamError> {
    deps.upstream_admin.get_business_profile(&record.credentials()).await
}

/// Changes the business profile of the phone number. Returns the profile after the change.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written.
pub async fn update_business_profile(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    change: &Object,
) -> Result<Object, PhoneNumberError> {
    let credentials = record.credentials();
    if !change.is_empty() {
        deps.upstream_admin.update_business_profile(&credentials, change).await?;
        let fields = change.iter().map(|(name, _)| Value::from(name.to_owned())).collect();
        let entry = audit_entry(deps, audit, &record.account, AuditAction::ProfileChanged)
            .with("fields", Value::Array(fields));
        deps.audit_log.insert_audit_entry(entry).await?;
    }
    Ok(deps.upstream_admin.get_business_profile(&credentials).await?)
}

/// Reads the state of all phone numbers and access tokens from Meta, and writes it to the store.
///
/// # Errors
/// The store cannot be written. A failed call to Meta is no error: the state in the store stays as it is.
pub async fn refresh_phone_numbers(deps: &Deps) -> Result<(), StoreError> {
    for record in &deps.directory.current().accounts {
        let account = &record.account;
        match deps.upstream.get_phone_number(&record.credentials()).await {
            Ok(number) => update_phone_number(deps, account, &number).await?,
            Err(error) => {
                tracing::debug!(%error, account.id = %account.id, "could not read a phone number from meta");
            }
        }
        match deps.upstream.get_token_info(&record.credentials()).await {
            Ok(token) => update_token_expiry(deps, account, &token).await?,
            Err(error) => {
                tracing::debug!(%error, account.id = %account.id, "could not read an access token from meta");
            }
        }
    }
    directory::refresh(deps).await
}

/// Writes the state of the account's phone number to the store.
pub(super) async fn update_phone_number(
    deps: &Deps,
    account: &Account,
    number: &PhoneNumberInfo,
) -> Result<(), StoreError> {
    deps.accounts.update_account_number(account.workspace, account.id, number, deps.now()).await
}

/// Writes the expiry of the account's access token to the store, unless the token is invalid.
pub(super) async fn update_token_expiry(
    deps: &Deps,
    account: &Account,
    token: &TokenInfo,
) -> Result<(), StoreError> {
    if !token.is_valid {
        return Ok(());
    }
    deps.accounts
        .update_account_token_expiry(account.workspace, account.id, token.expires_at, deps.now())
        .await
}
