//! Callers, and the keys of the API: made, recognised, counted.

pub mod grant;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::api_key::{ApiKey, KeyAccess, KeyDigest, KeyScope};
use domain::access::audit::{Actor, ActorKind, AuditAction, AuditTarget, AuditTargetKind};
use domain::access::permission::Permission;
use domain::access::rate_limiter::{CallKind, RateLimitDecision, RateLimiter, RateLimits};
use domain::access::user::User;
use domain::accounts::account::Account;
use domain::id::{AccountId, KeyId, OwnerId, WorkspaceId};
use domain::json::Value;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::access::session::Session;
use crate::ports::StoreError;
use crate::{AuditContext, Deps, directory};

/// The key that `waypost dev` prints. Everybody knows it, so nothing else accepts it.
pub const DEV_KEY: &str = "wp_test_sandbox_key_for_local_development_only";

/// How much of a key is shown afterwards.
const PREFIX_CHARS: usize = 12;

/// Who calls.
#[derive(Clone, Debug)]
pub enum Caller {
    /// A program, with a key.
    Key(Arc<ApiKey>),
    /// Somebody who has logged in.
    User(Arc<Session>),
}

impl Caller {
    /// The tenant for which it acts.
    pub fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Key(key) => key.workspace,
            Self::User(session) => session.user.workspace,
        }
    }

    /// Whether it still opens the door, as far as memory tells: what lasts longer than a call asks again.
    pub fn is_still_good(&self, deps: &Deps) -> bool {
        match self {
            Self::Key(key) => {
                deps.directory.current().key(&key.digest).is_some_and(|key| key.is_valid(deps.now()))
            }
            Self::User(session) => deps.now() < session.ends_at,
        }
    }

    /// The same, and a session is looked up.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn is_still_known(&self, deps: &Deps) -> Result<bool, StoreError> {
        let Self::User(session) = self else { return Ok(self.is_still_good(deps)) };
        Ok(self.is_still_good(deps) && deps.users.get_session(&session.digest).await?.is_some())
    }

    /// Whether it is asked for some accounts only.
    pub fn names_accounts(&self) -> bool {
        match self {
            Self::Key(key) => !key.accounts.is_empty(),
            Self::User(_) => false,
        }
    }

    /// Whose the limits and the `Idempotency-Key`s are: a key's and its rotations', or a user's.
    pub fn owner(&self) -> OwnerId {
        match self {
            Self::Key(key) => key.owner,
            Self::User(session) => OwnerId::from_bytes(*session.user.id.as_bytes()),
        }
    }

    /// The key, if it is one.
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Key(key) => Some(key.id),
            Self::User(_) => None,
        }
    }

    /// Whether it may do this.
    pub fn may(&self, permission: Permission) -> bool {
        match self {
            Self::Key(key) => key.may(permission),
            Self::User(session) => session.user.role.may(permission),
        }
    }

    /// Everything that it may do.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(|permission| self.may(*permission))
    }

    /// What keys that it makes may do at most; `None`: what they like.
    pub fn reach(&self) -> Option<KeyAccess> {
        match self {
            Self::Key(key) => Some(key.access()),
            Self::User(_) => None,
        }
    }

    /// Whether it is a test key.
    pub fn is_test(&self) -> bool {
        match self {
            Self::Key(key) => key.is_test,
            Self::User(_) => false,
        }
    }

    /// Whether it may use this account: a key its kind (sandbox or not) and its list, a user each.
    pub fn may_use(&self, account: &Account) -> bool {
        match self {
            Self::Key(key) => key.may_use(account.id, account.is_sandbox),
            Self::User(_) => true,
        }
    }

    /// The accounts of which it may see anything; `None`: all, also those that are gone.
    pub fn visible(&self, deps: &Deps) -> Option<Vec<AccountId>> {
        let directory = deps.directory.current();
        let accounts = || directory.accounts_of(self.workspace()).map(|record| &record.account);
        if !self.names_accounts() && accounts().all(|account| self.may_use(account)) {
            return None;
        }
        Some(accounts().filter(|account| self.may_use(account)).map(|account| account.id).collect())
    }

    /// Whether what is the whole workspace's is its business: not that of a key that is bound to some accounts, nor of a
    /// test key where there are live accounts.
    pub fn is_of_whole_workspace(&self, deps: &Deps) -> bool {
        !self.names_accounts() && (!self.is_test() || self.visible(deps).is_none())
    }

    /// Whether it may see what belongs to this account.
    pub fn may_see(&self, deps: &Deps, account: AccountId) -> bool {
        self.visible(deps).is_none_or(|visible| visible.contains(&account))
    }

    /// The caller as the audit log knows it.
    pub fn audit(&self, client: Option<IpAddr>, request_id: Arc<str>) -> AuditContext {
        let actor = match self {
            Self::Key(key) => {
                Actor { kind: ActorKind::Key, id: Some(key.id.to_string()), name: key.name.clone() }
            }
            Self::User(session) => user_actor(&session.user),
        };
        AuditContext { actor, client, request_id: Some(request_id) }
    }

    /// How often it may call.
    fn limits(&self, deps: &Deps) -> RateLimits {
        let defaults = deps.settings.limits;
        match self {
            Self::Key(key) => RateLimits {
                per_minute: key.rate_per_minute.unwrap_or(defaults.per_minute),
                burst: key.rate_burst.unwrap_or(defaults.burst),
            },
            Self::User(_) => defaults,
        }
    }
}

/// A user, as the audit log names who acts.
pub(crate) fn user_actor(user: &User) -> Actor {
    Actor { kind: ActorKind::User, id: Some(user.id.to_string()), name: user.email.to_string() }
}

/// What each caller has used of its time, and when each key was last seen.
#[derive(Default)]
pub struct RateLimiters {
    windows: Mutex<BTreeMap<OwnerId, RateLimiter>>,
    used: Mutex<BTreeMap<KeyId, Timestamp>>,
}

/// The digest under which a key is kept.
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key).into()
}

/// Recognises a key. `None`: it is wrong, expired or revoked.
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
    deps.rate_limiters.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, now);
    Some(Caller::Key(key.clone()))
}

/// Asks for one call of the caller's time, and counts it if it is granted.
pub fn acquire(deps: &Deps, caller: &Caller, kind: CallKind) -> RateLimitDecision {
    with_rate_limiter(deps, caller, |limiter, limits| limiter.acquire(kind, limits, deps.now()))
}

/// What the caller's time still holds, without counting anything.
pub fn peek(deps: &Deps, caller: &Caller, kind: CallKind) -> RateLimitDecision {
    with_rate_limiter(deps, caller, |limiter, limits| limiter.peek(kind, limits, deps.now()))
}

/// When the next message of the caller's batches may leave.
pub(crate) fn reserve(deps: &Deps, caller: &Caller) -> Timestamp {
    with_rate_limiter(deps, caller, |limiter, limits| limiter.reserve(limits, deps.now()))
}

fn with_rate_limiter<T>(
    deps: &Deps,
    caller: &Caller,
    f: impl FnOnce(&mut RateLimiter, RateLimits) -> T,
) -> T {
    let limits = caller.limits(deps);
    let mut windows = deps.rate_limiters.windows.lock().unwrap_or_else(PoisonError::into_inner);
    f(windows.entry(caller.owner()).or_insert_with(|| RateLimiter::new(limits)), limits)
}

/// Writes down when keys were last used.
///
/// # Errors
/// When the store cannot be written; the next round has the same and more to write.
pub async fn update_last_used(deps: &Deps) -> Result<(), StoreError> {
    let used: Vec<_> = {
        let used = deps.rate_limiters.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().map(|(id, at)| (*id, *at)).collect()
    };
    if used.is_empty() {
        return Ok(());
    }
    deps.api_keys.update_api_keys_last_used(&used).await?;
    let mut left = deps.rate_limiters.used.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|id, at| !used.contains(&(*id, *at)));
    Ok(())
}

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// The tenant that it acts for.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// The accounts that it may use; empty means all.
    pub accounts: Vec<AccountId>,
    /// Whether it may use sandbox accounts only.
    pub is_test: bool,
    /// Sends in any 60 seconds.
    pub rate_per_minute: Option<u32>,
    /// Sends in any second.
    pub rate_burst: Option<u32>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
}

/// Makes a key with 256 bits of chance. The key itself is given out here and nowhere else.
///
/// # Errors
/// When the store cannot be written.
pub async fn create(
    deps: &Deps,
    audit: &AuditContext,
    new: NewApiKey,
) -> Result<(ApiKey, SecretString), StoreError> {
    let secret = draw(deps, new.is_test);
    let key = add(deps, audit, new, &secret).await?;
    Ok((key, secret))
}

/// The text of a new key.
fn draw(deps: &Deps, is_test: bool) -> SecretString {
    let mut random = [0; 32];
    deps.random.fill(&mut random);
    let kind = if is_test { "wp_test_" } else { "wp_live_" };
    SecretString::from(format!("{kind}{}", letters(&random)))
}

fn prefix(secret: &SecretString) -> String {
    secret.expose_secret().chars().take(PREFIX_CHARS).collect()
}

/// A key, as the audit log names it.
fn subject(key: &ApiKey) -> AuditTarget {
    AuditTarget::named(AuditTargetKind::Key, &key.id, key.name.as_str())
}

/// Adds a key with a given text.
///
/// # Errors
/// When the store cannot be written, or the key is there already (`Conflict`).
pub async fn add(
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
    let words = |words: Vec<String>| Value::Array(words.into_iter().map(Value::from).collect());
    let entry = audit
        .entry(deps, key.workspace, AuditAction::KeyCreated, subject(&key))
        .with("prefix", key.prefix.as_str())
        .with("scopes", words(key.scopes.iter().map(|scope| scope.as_str().to_owned()).collect()))
        .with("accounts", words(key.accounts.iter().map(AccountId::to_string).collect()))
        .with("expires_at", key.expires_at.map_or(Value::Null, |at| at.to_string().into()));
    deps.api_keys.insert_api_key(key.clone(), entry).await?;
    directory::refresh(deps).await?;
    Ok(key)
}

/// Takes a key back, at once on this process. `false`: there is none, or it was taken back before.
///
/// # Errors
/// When the store cannot be written.
pub async fn revoke(deps: &Deps, audit: &AuditContext, key: &ApiKey) -> Result<bool, StoreError> {
    let entry = audit
        .entry(deps, key.workspace, AuditAction::KeyRevoked, subject(key))
        .with("prefix", key.prefix.as_str());
    let is_revoked = deps.api_keys.revoke_api_key(key.workspace, key.id, entry).await?;
    directory::refresh(deps).await?;
    Ok(is_revoked)
}

/// Bytes as letters and digits that need no escaping anywhere: five bits each.
pub(crate) fn letters(bytes: &[u8]) -> String {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't',
        'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7',
    ];
    let mut text = String::with_capacity(bytes.len().saturating_mul(8).div_ceil(5));
    let (mut held, mut n_bits) = (0_u32, 0_u32);
    let mut push = |index: u32| {
        text.extend(usize::try_from(index & 31).ok().and_then(|index| ALPHABET.get(index)));
    };
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        n_bits += 8;
        while n_bits >= 5 {
            n_bits -= 5;
            push(held >> n_bits);
        }
        held &= (1 << n_bits) - 1;
    }
    if n_bits > 0 {
        push(held << (5 - n_bits));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thirty_two_bytes_become_fifty_two_letters() {
        assert_eq!(letters(&[0; 32]).len(), 52);
        assert_eq!(letters(&[0xff; 5]), "77777777");
        assert_eq!(letters(b"fooba"), "mzxw6ytb");
        assert_ne!(letters(&[1; 32]), letters(&[2; 32]));
    }
}
