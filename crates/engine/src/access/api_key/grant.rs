//! Keys handed out, replaced and taken back by somebody who may not give more than they have.

use domain::access::api_key::{ApiKey, KeyAccess, KeyScope, PrivilegeEscalation};
use domain::access::audit::AuditAction;
use domain::id::{AccountId, KeyId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};

use super::{NewApiKey, create, digest, draw, prefix, revoke as take_back, subject};
use crate::ports::{ApiKeyRotation, StoreError};
use crate::{AuditContext, Deps, directory};

/// What a key shall be.
#[derive(Clone, Debug)]
pub struct NewApiKeyRequest {
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// The only accounts that it may use, by id or name; empty means all that its maker may use.
    pub accounts: Vec<String>,
    /// Whether it is a test key; `None`: as its maker, or as its accounts.
    pub is_test: Option<bool>,
    /// Sends in any 60 seconds.
    pub rate_per_minute: Option<u32>,
    /// Sends in any second.
    pub rate_burst: Option<u32>,
    /// When it stops working by itself; `None`: when its maker does.
    pub expires_at: Option<Timestamp>,
}

/// Why a key is not made, replaced or taken back.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// The n-th account that was named is not there.
    #[error("there is no account `{account}`")]
    NoSuchAccount {
        /// Which, from 0.
        index: usize,
        /// What it was called.
        account: String,
    },
    /// The n-th account that was named is a sandbox account and the key live, or the other way round.
    #[error("account `{account}` is of the other kind")]
    OtherKind {
        /// Which, from 0.
        index: usize,
        /// Its name.
        account: String,
        /// Whether it is a sandbox account.
        is_sandbox: bool,
    },
    /// It would have ended before it began.
    #[error("the key would be over already")]
    Past,
    /// It can do more than whoever asks.
    #[error("the key would exceed its maker")]
    Beyond(PrivilegeEscalation),
    /// There is no such key.
    #[error("there is no such key")]
    NotFound,
    /// The key was replaced before, or is over.
    #[error("the key was replaced or is over")]
    Over,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a key within the `limit` of its maker; the command line has none.
///
/// # Errors
/// Whatever is wrong with the wish; nothing was made then.
pub async fn make(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    wish: NewApiKeyRequest,
) -> Result<(ApiKey, SecretString), ApiKeyError> {
    if wish.expires_at.is_some_and(|at| at <= deps.now()) {
        return Err(ApiKeyError::Past);
    }
    let (accounts, is_test) = choose_accounts(deps, workspace, limit, &wish)?;
    let NewApiKeyRequest { name, mut scopes, rate_per_minute, rate_burst, expires_at, .. } = wish;
    scopes.sort_unstable();
    scopes.dedup();
    let expires_at = expires_at.or_else(|| limit?.expires_at);
    let reach = KeyAccess { scopes: scopes.clone(), accounts: accounts.clone(), is_test, expires_at };
    within(limit, &reach)?;
    let new =
        NewApiKey { workspace, name, scopes, accounts, is_test, rate_per_minute, rate_burst, expires_at };
    Ok(create(deps, audit, new).await?)
}

/// The accounts that are meant, and whether the key is a test key.
fn choose_accounts(
    deps: &Deps,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    wish: &NewApiKeyRequest,
) -> Result<(Vec<AccountId>, bool), ApiKeyError> {
    let directory = deps.directory.current();
    let mut named = Vec::new();
    for (index, account) in wish.accounts.iter().enumerate() {
        let record = directory
            .account(workspace, account)
            .ok_or_else(|| ApiKeyError::NoSuchAccount { index, account: account.clone() })?;
        named.push(&record.account);
    }
    let is_test = wish.is_test.or(limit.map(|limit| limit.is_test)).unwrap_or_else(|| {
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
            return Err(ApiKeyError::OtherKind { index, account, is_sandbox });
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

fn within(limit: Option<&KeyAccess>, reach: &KeyAccess) -> Result<(), ApiKeyError> {
    match limit.and_then(|limit| limit.escalation(reach)) {
        Some(beyond) => Err(ApiKeyError::Beyond(beyond)),
        None => Ok(()),
    }
}

/// The key with this id, if it is not revoked and within the limit.
fn find(
    deps: &Deps,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    id: KeyId,
) -> Result<ApiKey, ApiKeyError> {
    let directory = deps.directory.current();
    let key = directory.keys.values().find(|key| key.workspace == workspace && key.id == id);
    let key = key.filter(|key| key.revoked_at.is_none()).ok_or(ApiKeyError::NotFound)?;
    within(limit, &key.access())?;
    Ok((**key).clone())
}

/// Puts a new key with the same properties in the place of an old one, which lives on for the `overlap`.
///
/// # Errors
/// `NotFound`, `Over`, `PrivilegeEscalation`, or when the store cannot be written.
pub async fn rotate(
    deps: &Deps,
    audit: &AuditContext,
    (workspace, id): (WorkspaceId, KeyId),
    limit: Option<&KeyAccess>,
    overlap: SignedDuration,
) -> Result<(ApiKey, SecretString), ApiKeyError> {
    directory::refresh(deps).await?;
    let old = find(deps, workspace, limit, id)?;
    let now = deps.now();
    let secret = draw(deps, old.is_test);
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
        .entry(deps, workspace, AuditAction::KeyRotated, subject(&old))
        .with("prefix", old.prefix.as_str())
        .with("new_id", new.id.to_string())
        .with("new_prefix", new.prefix.as_str())
        .with("expires_at", old_expires_at.to_string());
    let rotation = ApiKeyRotation { new: new.clone(), old: old.id, old_expires_at, now };
    if !deps.api_keys.rotate_api_key(rotation, entry).await? {
        return Err(ApiKeyError::Over);
    }
    directory::refresh(deps).await?;
    Ok((new, secret))
}

/// Takes a key back, at once on this process.
///
/// # Errors
/// `NotFound`, `PrivilegeEscalation`, or when the store cannot be written.
pub async fn revoke(
    deps: &Deps,
    audit: &AuditContext,
    workspace: WorkspaceId,
    limit: Option<&KeyAccess>,
    id: KeyId,
) -> Result<(), ApiKeyError> {
    directory::refresh(deps).await?;
    let key = find(deps, workspace, limit, id)?;
    if take_back(deps, audit, &key).await? { Ok(()) } else { Err(ApiKeyError::NotFound) }
}
