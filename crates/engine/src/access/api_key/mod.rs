//! API keys: creation, authentication, revocation.
//!
//! **Invariant:** the text of a key is not stored. The store has its SHA-256 digest and its first characters.

pub mod delegation;

use domain::access::api_key::{ApiKey, KeyDigest, KeyScope};
use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::id::{AccountId, KeyId, OwnerId, WorkspaceId};
use domain::json::Value;
use domain::time::rfc3339;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::access::base32::base32;
use crate::access::caller::Caller;
use crate::ports::StoreError;
use crate::{AuditContext, Deps, directory};

/// API key of `waypost dev`. The key is public, therefore only `waypost dev` accepts it.
pub const DEV_KEY: &str = "wp_test_sandbox_key_for_local_development_only";

/// Number of characters of a key that are shown after its creation.
const PREFIX_CHARS: usize = 12;

/// Returns the digest by which the store finds a key.
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key).into()
}

/// Authenticates a key. Returns `None` if the key is unknown, expired or revoked.
pub fn authenticate(deps: &Deps, presented: &str) -> Option<Caller> {
    if presented == DEV_KEY && !deps.settings.is_dev {
        return None;
    }
    let directory = deps.directory.current();
    let key = directory.key(&digest(presented))?;
    let now = deps.now();
    if !key.is_valid(now) {
        return None;
    }
    deps.api_key_usage.lock().insert(key.id, now);
    Some(Caller::Key(key.clone()))
}

/// Writes the times at which keys were last used to the store.
///
/// # Errors
/// The store cannot be written. The next call writes the same times.
pub async fn update_last_used(deps: &Deps) -> Result<(), StoreError> {
    let used: Vec<_> = {
        let used = deps.api_key_usage.lock();
        used.iter().map(|(id, at)| (*id, *at)).collect()
    };
    if used.is_empty() {
        return Ok(());
    }
    deps.api_keys.update_api_keys_last_used(&used).await?;
    let mut unwritten = deps.api_key_usage.lock();
    unwritten.retain(|id, at| !used.contains(&(*id, *at)));
    Ok(())
}

/// API key to create.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Display name.
    pub name: String,
    /// Scopes.
    pub scopes: Vec<KeyScope>,
    /// Accounts that the key may use; empty is all accounts.
    pub accounts: Vec<AccountId>,
    /// `true` if the key may use sandbox accounts only.
    pub is_test: bool,
    /// Maximum number of sends in 60 seconds; `None` is the configured default.
    pub rate_per_minute: Option<u32>,
    /// Maximum number of sends in one second; `None` is the configured default.
    pub rate_burst: Option<u32>,
    /// Time at which the key expires.
    pub expires_at: Option<Timestamp>,
}

/// Creates a key from 256 random bits. The returned secret is the text of the key; it cannot be read again.
///
/// # Errors
/// `Conflict` if another active key has the name. The store cannot be written.
pub async fn create_api_key(
    deps: &Deps,
    audit: &AuditContext,
    new: NewApiKey,
) -> Result<(ApiKey, SecretString), StoreError> {
    let secret = generate_secret(deps, new.is_test);
    let key = import_api_key(deps, audit, new, &secret).await?;
    Ok((key, secret))
}

fn generate_secret(deps: &Deps, is_test: bool) -> SecretString {
    let mut random = [0; 32];
    deps.random.fill(&mut random);
    let kind = if is_test { "wp_test_" } else { "wp_live_" };
    SecretString::from(format!("{kind}{}", base32(&random)))
}

fn prefix(secret: &SecretString) -> String {
    secret.expose_secret().chars().take(PREFIX_CHARS).collect()
}

/// Returns a key as the target of an audit entry.
fn audit_target(key: &ApiKey) -> AuditTarget {
    AuditTarget::named(AuditTargetKind::Key, &key.id, key.name.as_str())
}

/// Creates a key with the given text.
///
/// # Errors
/// `Conflict` if the key exists, or another active key has the name. The store cannot be written.
pub async fn import_api_key(
    deps: &Deps,
    audit: &AuditContext,
    new: NewApiKey,
    secret: &SecretString,
) -> Result<ApiKey, StoreError> {
    let id = deps.new_id(KeyId::from_parts);
    let key = ApiKey {
        id,
        owner: OwnerId::from_bytes(*id.as_bytes()),
        workspace: new.workspace,
        name: new.name,
        prefix: prefix(secret),
        digest: digest(secret.expose_secret()),
        scopes: new.scopes,
        accounts: new.accounts,
        is_test: new.is_test,
        rate_per_minute: new.rate_per_minute,
        rate_burst: new.rate_burst,
        expires_at: new.expires_at,
        revoked_at: None,
        replaced_by: None,
        created_at: deps.now(),
        last_used_at: None,
    };
    let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::from).collect());
    let entry = audit
        .entry(deps, key.workspace, AuditAction::KeyCreated, audit_target(&key))
        .with("prefix", key.prefix.as_str())
        .with("scopes", texts(key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()))
        .with("accounts", texts(key.accounts.iter().map(AccountId::to_string).collect()))
        .with("expires_at", key.expires_at.map_or(Value::Null, |at| rfc3339(at).into()));
    deps.api_keys.insert_api_key(key.clone(), entry).await?;
    directory::refresh(deps).await?;
    Ok(key)
}

/// Revokes a key. This process rejects the key at once. Returns `false` if the key does not exist or is revoked already.
///
/// # Errors
/// The store cannot be written.
pub async fn revoke_api_key(deps: &Deps, audit: &AuditContext, key: &ApiKey) -> Result<bool, StoreError> {
    let entry = audit
        .entry(deps, key.workspace, AuditAction::KeyRevoked, audit_target(key))
        .with("prefix", key.prefix.as_str());
    let is_revoked = deps.api_keys.revoke_api_key(key.workspace, key.id, entry).await?;
    directory::refresh(deps).await?;
    Ok(is_revoked)
}
