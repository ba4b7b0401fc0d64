//! API keys that a caller creates, rotates and revokes.
//!
//! **Invariant:** a key that a caller creates, rotates or revokes has no more access than the caller's own key.

use domain::access::api_key::{ApiKey, KeyAccess, KeyScope, PrivilegeEscalation};
use domain::access::audit::AuditAction;
use domain::id::{AccountId, KeyId, WorkspaceId};
use domain::time::rfc3339;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::{NewApiKey, audit_target, digest, generate_secret, prefix};
use crate::ports::{ApiKeyRotation, StoreError, StoreErrorKind};
use crate::{AuditContext, Deps, access::api_key, directory};

/// Request to create an API key.
#[derive(Clone, Debug)]
pub struct NewApiKeyRequest {
    /// Display name.
    pub name: String,
    /// Scopes.
    pub scopes: Vec<KeyScope>,
    /// Accounts that the key may use, by id or name; empty is all accounts that its creator may use.
    pub accounts: Vec<String>,
    /// `true` for a test key; `None` takes the kind of the creator's key, else the kind of the accounts.
    pub is_test: Option<bool>,
    /// Maximum number of sends in 60 seconds; `None` is the configured default.
    pub rate_per_minute: Option<u32>,
    /// Maximum number of sends in one second; `None` is the configured default.
    pub rate_burst: Option<u32>,
    /// Time at which the key expires; `None` is the expiry of the creator's key.
    pub expires_at: Option<Timestamp>,
}

/// Reason why a key was not created, rotated or revoked.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// A requested account does not exist.
    #[error("there is no account `{account}`")]
    AccountNotFound {
        /// Index in the list of accounts, from 0.
        index: usize,
        /// Id or name in the request.
        account: String,
    },
    /// A requested account is a sandbox account and the key is a live key, or the other way round.
    #[error("account `{account}` does not match the kind of the key, test or live")]
    SandboxMismatch {
        /// Index in the list of accounts, from 0.
        index: usize,
        /// Name of the account.
        account: String,
        /// `true` if the account is a sandbox account.
        is_sandbox: bool,
    },
    /// The expiry of the key is not in the future.
    #[error("the expiry of the key is not in the future")]
    ExpiresInPast,
    /// The key would have, or has, more access than the caller.
    #[error("the key has more access than the caller")]
    PrivilegeEscalation(PrivilegeEscalation),
    /// Another active key of the workspace has the name.
    #[error("another active key has this name")]
    NameTaken,
    /// The key does not exist.
    #[error("the key does not exist")]
    NotFound,
    /// The key was rotated before, or has expired.
    #[error("the key was rotated before or has expired")]
    NotActive,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Creates a key. `limit` is the access of the caller's key; `None` is no limit.
///
/// # Errors
/// The request is invalid, or the store cannot be written. No key was created.
pub async fn create_api_key(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    request: NewApiKeyRequest,
) -> Result<(ApiKey, SecretString), ApiKeyError> {
    if request.expires_at.is_some_and(|at| at <= deps.now()) {
        return Err(ApiKeyError::ExpiresInPast);
    }
    let (accounts, is_test) = resolve_accounts(deps, workspace, limit, &request)?;
    let NewApiKeyRequest { name, mut scopes, rate_per_minute, rate_burst, expires_at, .. } = request;
    scopes.sort_unstable();
    scopes.dedup();
    let expires_at = expires_at.or_else(|| limit?.expires_at);
    let access = KeyAccess { scopes: scopes.clone(), accounts: accounts.clone(), is_test, expires_at };
    check_limit(limit, &access)?;
    let new =
        NewApiKey { workspace, name, scopes, accounts, is_test, rate_per_minute, rate_burst, expires_at };
    api_key::create_api_key(deps, audit, new).await.map_err(|error| match error.kind() {
        StoreErrorKind::Conflict => ApiKeyError::NameTaken,
        StoreErrorKind::Unavailable
        | StoreErrorKind::TooExpensive
        | StoreErrorKind::Corrupt
        | StoreErrorKind::Bug => error.into(),
    })
}

/// Returns the accounts of the new key, and `true` if the key is a test key.
fn resolve_accounts(
    deps: &Deps,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    request: &NewApiKeyRequest,
) -> Result<(Vec<AccountId>, bool), ApiKeyError> {
    let directory = deps.directory.current();
    let mut named = Vec::new();
    for (index, account) in request.accounts.iter().enumerate() {
        let record = directory
            .account(workspace, account)
            .ok_or_else(|| ApiKeyError::AccountNotFound { index, account: account.clone() })?;
        named.push(&record.account);
    }
    let is_test = request.is_test.or(limit.map(|limit| limit.is_test)).unwrap_or_else(|| {
        let of_workspace = || directory.accounts_of(workspace).map(|record| record.account.is_sandbox);
        match named.first() {
            Some(first) => first.is_sandbox,
            None => of_workspace().all(|is_sandbox| is_sandbox) && of_workspace().next().is_some(),
        }
    });
    let mut accounts: Vec<AccountId> = Vec::new();
    for (index, account) in named.into_iter().enumerate() {
        if account.is_sandbox != is_test {
            let (account, is_sandbox) = (account.name.clone(), account.is_sandbox);
            return Err(ApiKeyError::SandboxMismatch { index, account, is_sandbox });
        }
        if !accounts.contains(&account.id) {
            accounts.push(account.id);
        }
    }
    if let Some(limit) = limit
        && accounts.is_empty()
    {
        accounts.clone_from(&limit.accounts);
    }
    Ok((accounts, is_test))
}

fn check_limit(limit: Option<&KeyAccess>, access: &KeyAccess) -> Result<(), ApiKeyError> {
    match limit.and_then(|limit| limit.escalation(access)) {
        Some(escalation) => Err(ApiKeyError::PrivilegeEscalation(escalation)),
        None => Ok(()),
    }
}

/// Returns the key with this id if it is not revoked and within the limit.
fn get_api_key(
    deps: &Deps,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    id: KeyId,
) -> Result<ApiKey, ApiKeyError> {
    let directory = deps.directory.current();
    let key = directory.keys.values().find(|key| key.workspace == workspace && key.id == id);
    let key = key.filter(|key| key.revoked_at.is_none()).ok_or(ApiKeyError::NotFound)?;
    check_limit(limit, &key.access())?;
    Ok((**key).clone())
}

/// Request to rotate an API key.
#[derive(Clone, Copy, Debug)]
pub struct RotateApiKeyRequest {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the key to replace.
    pub id: KeyId,
    /// Time for which the old key stays valid.
    pub overlap: SignedDuration,
}

/// Creates a key with the properties of an old key. The old key expires after the overlap. `limit` is the access of the
/// caller's key; `None` is no limit.
///
/// # Errors
/// `NotFound`, `NotActive`, `PrivilegeEscalation`, or the store cannot be written.
pub async fn rotate_api_key(
    deps: &Deps,
    audit: &AuditContext,
    limit: Option<&KeyAccess>,
    request: RotateApiKeyRequest,
) -> Result<(ApiKey, SecretString), ApiKeyError> {
    let RotateApiKeyRequest { workspace, id, overlap } = request;
    directory::refresh(deps).await?;
    let old = get_api_key(deps, workspace, limit, id)?;
    let now = deps.now();
    let secret = generate_secret(deps, old.is_test);
    let old_expires_at = now.saturating_add(overlap).unwrap_or(Timestamp::MAX);
    let new = ApiKey {
        id: deps.new_id(KeyId::from_parts),
        prefix: prefix(&secret),
        digest: digest(secret.expose_secret()),
        created_at: now,
        last_used_at: None,
        ..old.clone()
    };
    let entry = audit
        .entry(deps, workspace, AuditAction::KeyRotated, audit_target(&old))
        .with("prefix", old.prefix.as_str())
        .with("new_id", new.id.to_string())
        .with("new_prefix", new.prefix.as_str())
        .with("expires_at", rfc3339(old_expires_at));
    let rotation = ApiKeyRotation { new: new.clone(), old: old.id, old_expires_at, now };
    if !deps.api_keys.rotate_api_key(rotation, entry).await? {
        return Err(ApiKeyError::NotActive);
    }
    directory::refresh(deps).await?;
    Ok((new, secret))
}

/// Revokes a key. This process rejects the key at once. `limit` is the access of the caller's key; `None` is no limit.
///
/// # Errors
/// `NotFound`, `PrivilegeEscalation`, or the store cannot be written.
pub async fn revoke_api_key(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    id: KeyId,
) -> Result<(), ApiKeyError> {
    directory::refresh(deps).await?;
    let key = get_api_key(deps, workspace, limit, id)?;
    if api_key::revoke_api_key(deps, audit, &key).await? { Ok(()) } else { Err(ApiKeyError::NotFound) }
}
