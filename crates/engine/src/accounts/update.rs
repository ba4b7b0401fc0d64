//! Changes of accounts.

use std::sync::Arc;

use domain::access::audit::AuditAction;
use domain::accounts::account::Account;
use domain::check::Patch;
use domain::json::Value;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use super::audit::audit_entry;
use super::suspension::{remove_unwritten_suspension, token_suspension};
use super::upstream_error::meta_error_message;
use super::verification::{VerificationError, verify_account};
use super::verify_token::verify_token_digest;
use crate::ports::{AccountChanges, AccountCredentials, AccountRecord, StoreError, TokenInfo, UpstreamError};
use crate::{AuditContext, Deps, directory};

/// Default time for which a replaced app secret verifies webhooks: Meta may still sign with the replaced secret.
pub const OLD_APP_SECRET_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// Request to change an account.
#[derive(Debug, Default)]
pub struct UpdateAccountRequest {
    /// New name.
    pub name: Option<String>,
    /// New access token.
    pub access_token: Option<SecretString>,
    /// `true` if a new access token of a live account is refused when Meta cannot verify the token now.
    pub requires_verification: bool,
    /// New app secret, or none.
    pub app_secret: Patch<SecretString>,
    /// Time for which the replaced app secret verifies webhooks.
    pub old_app_secret_lifetime: SignedDuration,
    /// New verify token, or none.
    pub verify_token: Patch<SecretString>,
    /// `true` if sends without an account use this account.
    pub is_default: Option<bool>,
    /// `true` if the gateway downloads the links of media messages and uploads the files to Meta; cleared follows the
    /// configuration.
    pub fetches_links: Patch<bool>,
}

/// Reason why an account was not changed.
#[derive(Debug, thiserror::Error)]
pub enum UpdateAccountError {
    /// The account does not exist.
    #[error("the account does not exist")]
    NotFound,
    /// Meta refused the new access token. The account was not changed.
    #[error("meta refused the new access token: {0}")]
    TokenRefused(String),
    /// Meta cannot verify the new access token now. The account was not changed.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// The store failed; `Conflict` if another account has the name.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Changes an account. A new access token is verified at Meta first: a valid token ends a suspension that was caused by
/// the old token. If Meta cannot be reached and the request does not require the verification, the token is stored
/// without verification, and the account stays suspended.
///
/// # Errors
/// The account was not changed; see [`UpdateAccountError`].
pub async fn update_account(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    request: UpdateAccountRequest,
) -> Result<Arc<AccountRecord>, UpdateAccountError> {
    let Account { workspace, id, .. } = record.account;
    let verified = match &request.access_token {
        Some(token) => {
            let verified = verify_access_token(deps, record, token).await;
            let is_required = request.requires_verification && !record.account.is_sandbox;
            match verified {
                Err(UpdateAccountError::Upstream(_)) if !is_required => None,
                verified => Some(verified?),
            }
        }
        None => None,
    };
    let lifts_suspension = verified.as_ref().and_then(|_| token_suspension(deps, &record.account));
    let is_lifted = lifts_suspension.is_some();
    let until = || deps.now().saturating_add(request.old_app_secret_lifetime).unwrap_or(Timestamp::MAX);
    let has_old_app_secret =
        matches!(request.app_secret, Patch::Set(_)) && request.old_app_secret_lifetime.is_positive();
    let changes = AccountChanges {
        name: request.name,
        access_token: request.access_token,
        app_secret: request.app_secret,
        old_app_secret_until: has_old_app_secret.then(until),
        verify_token_digest: match request.verify_token {
            Patch::Unchanged => Patch::Unchanged,
            Patch::Clear => Patch::Clear,
            Patch::Set(token) => Patch::Set(verify_token_digest(&token)),
        },
        is_default: request.is_default,
        fetches_links: request.fetches_links,
        lifts_suspension,
    };
    let entry = audit_entry(deps, audit, &record.account, AuditAction::AccountChanged)
        .with("changed", changed_fields(&changes));
    if !deps.accounts.update_account(workspace, id, changes, entry).await? {
        return Err(UpdateAccountError::NotFound);
    }
    if let Some(TokenInfo { expires_at, .. }) = verified {
        deps.accounts.update_account_token_expiry(workspace, id, expires_at, deps.now()).await?;
    }
    directory::refresh(deps).await?;
    if is_lifted {
        // After the refresh, sends use the new token, and refusals of the old token suspend no account.
        remove_unwritten_suspension(deps, id);
    }
    deps.queue_hint.notify_one();
    let directory = deps.directory.current();
    directory.account(workspace, &id.to_string()).cloned().ok_or(UpdateAccountError::NotFound)
}

/// Returns the names of the changed fields for the audit log, without their values.
fn changed_fields(changes: &AccountChanges) -> Value {
    let AccountChanges {
        name, access_token, app_secret, verify_token_digest, is_default, fetches_links, ..
    } = changes;
    let all = [
        (name.is_some(), "name"),
        (access_token.is_some(), "access_token"),
        (!matches!(app_secret, Patch::Unchanged), "app_secret"),
        (!matches!(verify_token_digest, Patch::Unchanged), "verify_token"),
        (is_default.is_some(), "default"),
        (!matches!(fetches_links, Patch::Unchanged), "fetch_media"),
    ];
    Value::Array(all.into_iter().filter(|(is_changed, _)| *is_changed).map(|(_, name)| name.into()).collect())
}

/// Verifies an access token at Meta.
async fn verify_access_token(
    deps: &Deps,
    record: &AccountRecord,
    token: &SecretString,
) -> Result<TokenInfo, UpdateAccountError> {
    let credentials = AccountCredentials { account: record.account.clone(), access_token: token.clone() };
    let info = match deps.upstream.get_token_info(&credentials).await {
        Ok(info) if !info.is_valid => {
            let reason = "the token has expired or is not an access token".to_owned();
            return Err(UpdateAccountError::TokenRefused(reason));
        }
        Ok(info) => info,
        Err(UpstreamError::Refused(error)) if error.is_token_error() => {
            return Err(UpdateAccountError::TokenRefused(meta_error_message(&error)));
        }
        // A valid token may lack the permission to read its own properties.
        Err(UpstreamError::Refused(_)) => TokenInfo { is_valid: true, ..TokenInfo::default() },
        Err(error @ (UpstreamError::Throttled { .. } | UpstreamError::Unreachable(_))) => {
            return Err(UpdateAccountError::Upstream(error));
        }
    };
    if record.account.is_sandbox {
        return match deps.upstream.get_phone_number(&credentials).await {
            Ok(_) => Ok(info),
            Err(UpstreamError::Refused(error)) if error.is_token_error() || error.is_permission_error() => {
                Err(UpdateAccountError::TokenRefused(meta_error_message(&error)))
            }
            Err(error) => Err(UpdateAccountError::Upstream(error)),
        };
    }
    match verify_account(deps, &credentials).await {
        Ok(_) => Ok(info),
        // The ids of an account do not change, so a refusal concerns the token.
        Err(VerificationError::Refused { reason, .. }) => Err(UpdateAccountError::TokenRefused(reason)),
        Err(VerificationError::Upstream(error)) => Err(UpdateAccountError::Upstream(error)),
    }
}
