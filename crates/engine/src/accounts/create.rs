//! Creation of accounts.

use domain::access::audit::AuditAction;
use domain::accounts::account::{Account, AccountStatus};
use domain::id::{AccountId, WorkspaceId};
use secrecy::SecretString;

use super::audit::audit_entry;
use super::verification::{Verification, VerificationError, verify_account};
use super::verify_token::verify_token_digest;
use crate::ports::{AccountCredentials, AccountRecord, NewAccount, StoreError};
use crate::{AuditContext, Deps, directory};

/// Request to create an account.
#[derive(Debug)]
pub struct NewAccountRequest {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Name, unique in the workspace.
    pub name: String,
    /// Meta's id of the phone number, digits.
    pub phone_number_id: String,
    /// Meta's id of the WhatsApp Business Account, digits.
    pub waba_id: String,
    /// Access token for calls to Meta.
    pub access_token: SecretString,
    /// App secret, which verifies the signature of Meta's webhooks.
    pub app_secret: Option<SecretString>,
    /// Verify token, with which Meta verifies the callback URL.
    pub verify_token: Option<SecretString>,
    /// `true` if sends without an account use this account.
    pub is_default: bool,
    /// `true` if the account uses the simulator.
    pub is_sandbox: bool,
    /// `true` if the gateway downloads the links of media messages and uploads the files to Meta; `None` follows the
    /// configuration.
    pub fetches_links: Option<bool>,
    /// Decision about the verification at Meta. A sandbox account is not verified.
    pub verification: Verification,
}

/// Reason why an account was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateAccountError {
    /// The account is not verified at Meta.
    #[error(transparent)]
    Verification(#[from] VerificationError),
    /// The store failed; `Conflict` if another account has the name or the phone number.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates an account. Verifies a live account at Meta first, unless the verification is skipped.
///
/// # Errors
/// The account was not created; see [`CreateAccountError`].
pub async fn create_account(
    deps: &Deps,
    audit: &AuditContext,
    new: NewAccountRequest,
) -> Result<Account, CreateAccountError> {
    let mut account = Account {
        id: deps.new_id(AccountId::from_parts),
        workspace: new.workspace,
        name: new.name,
        phone_number_id: new.phone_number_id,
        waba_id: new.waba_id,
        display_phone_number: None,
        quality_rating: None,
        messaging_limit_tier: None,
        status: AccountStatus::Connected,
        status_reason: None,
        is_default: new.is_default,
        is_sandbox: new.is_sandbox,
        fetches_links: new.fetches_links,
    };
    let is_verified = !account.is_sandbox && new.verification == Verification::Required;
    if is_verified {
        let credentials =
            AccountCredentials { account: account.clone(), access_token: new.access_token.clone() };
        let number = verify_account(deps, &credentials).await?;
        account.display_phone_number = number.display_phone_number;
        account.quality_rating = number.quality_rating;
    }
    let record = AccountRecord {
        account: account.clone(),
        access_token: new.access_token,
        app_secret: new.app_secret,
        old_app_secret: None,
        verify_token_digest: new.verify_token.as_ref().map(verify_token_digest),
        probe_at: None,
        resumed_at: None,
    };
    let entry = audit_entry(deps, audit, &account, AuditAction::AccountAdded)
        .with("phone_number_id", account.phone_number_id.as_str())
        .with("waba_id", account.waba_id.as_str())
        .with("default", account.is_default)
        .with("sandbox", account.is_sandbox)
        .with("verified", is_verified);
    deps.accounts.insert_account(NewAccount { record, created_at: deps.now() }, entry).await?;
    directory::refresh(deps).await?;
    Ok(account)
}
