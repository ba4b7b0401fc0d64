//! Keys of the API: made, recognised, counted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::access::{ApiKey, KeyDigest, Scope};
use domain::account::Account;
use domain::allowance::{Allowance, CallKind, Grant, Limits};
use domain::id::{AccountId, KeyId, WorkspaceId};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::ports::StoreError;
use crate::{Deps, directory};

/// The key that `waypost dev` prints. Everybody knows it, so nothing else accepts it.
pub const DEV_KEY: &str = "wp_test_sandbox_key_for_local_development_only";

/// How much of a key is shown afterwards.
const PREFIX_CHARS: usize = 12;

/// Who calls, and what the key's time still holds.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key.
    pub key: Arc<ApiKey>,
}

impl Caller {
    /// The tenant that the key acts for.
    pub fn workspace(&self) -> WorkspaceId {
        self.key.workspace
    }

    /// Whether the key still opens the door: what lasts longer than a call asks again.
    pub fn is_still_good(&self, deps: &Deps) -> bool {
        deps.directory.current().key(&self.key.digest).is_some_and(|key| key.is_valid(deps.now()))
    }

    /// The accounts of which the key may see anything; `None`: all, also those that are gone.
    pub fn visible(&self, deps: &Deps) -> Option<Vec<AccountId>> {
        let directory = deps.directory.current();
        let may_use = |account: &Account| self.key.may_use(account.id, account.is_sandbox);
        let accounts = || directory.accounts_of(self.workspace()).map(|record| &record.account);
        if self.key.accounts.is_empty() && accounts().all(may_use) {
            return None;
        }
        Some(accounts().filter(|account| may_use(account)).map(|account| account.id).collect())
    }

    /// Whether the key may see what belongs to this account.
    pub fn may_see(&self, deps: &Deps, account: AccountId) -> bool {
        self.visible(deps).is_none_or(|visible| visible.contains(&account))
    }
}

/// What each key has used of its time, and when it was last seen.
#[derive(Default)]
pub struct Allowances {
    windows: Mutex<BTreeMap<KeyId, Allowance>>,
    used: Mutex<BTreeMap<KeyId, Timestamp>>,
}

/// The digest under which a key is kept.
pub fn digest(key: &str) -> KeyDigest {
    Sha256::digest(key).into()
}

/// Recognises a key. `None`: it is wrong, expired or revoked.
pub fn recognise(deps: &Deps, presented: &str) -> Option<Caller> {
    if presented == DEV_KEY && !deps.settings.is_dev {
        return None;
    }
    let directory = deps.directory.current();
    let key = directory.key(&digest(presented))?;
    let now = deps.now();
    if !key.is_valid(now) {
        return None;
    }
    deps.allowances.used.lock().unwrap_or_else(PoisonError::into_inner).insert(key.id, now);
    Some(Caller { key: key.clone() })
}

/// Asks for one call of the key's time, and counts it if it is granted.
pub fn ask(deps: &Deps, key: &ApiKey, kind: CallKind) -> Grant {
    with_allowance(deps, key, |allowance, limits| allowance.ask(kind, limits, deps.now()))
}

/// What the key's time still holds, without counting anything.
pub fn look(deps: &Deps, key: &ApiKey, kind: CallKind) -> Grant {
    with_allowance(deps, key, |allowance, limits| allowance.look(kind, limits, deps.now()))
}

/// When the next message of the key's batches may leave.
pub(crate) fn plan(deps: &Deps, key: &ApiKey) -> Timestamp {
    with_allowance(deps, key, |allowance, limits| allowance.plan(limits, deps.now()))
}

fn with_allowance<T>(deps: &Deps, key: &ApiKey, f: impl FnOnce(&mut Allowance, Limits) -> T) -> T {
    let limits = Limits {
        per_minute: key.rate_per_minute.unwrap_or(deps.settings.limits.per_minute),
        burst: key.rate_burst.unwrap_or(deps.settings.limits.burst),
    };
    let mut windows = deps.allowances.windows.lock().unwrap_or_else(PoisonError::into_inner);
    f(windows.entry(key.id).or_insert_with(|| Allowance::new(limits)), limits)
}

/// Writes down when keys were last used.
///
/// # Errors
/// When the store cannot be written; the next round has the same and more to write.
pub async fn note_use(deps: &Deps) -> Result<(), StoreError> {
    let used: Vec<_> = {
        let used = deps.allowances.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter().map(|(id, at)| (*id, *at)).collect()
    };
    if used.is_empty() {
        return Ok(());
    }
    deps.accounts.keys_used(&used).await?;
    let mut left = deps.allowances.used.lock().unwrap_or_else(PoisonError::into_inner);
    left.retain(|id, at| !used.contains(&(*id, *at)));
    Ok(())
}

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The tenant that it acts for.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
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
pub async fn create(deps: &Deps, new: NewKey) -> Result<(ApiKey, SecretString), StoreError> {
    let mut random = [0; 32];
    deps.chance.fill(&mut random);
    let kind = if new.is_test { "wp_test_" } else { "wp_live_" };
    let secret = SecretString::from(format!("{kind}{}", letters(&random)));
    let key = add(deps, new, &secret).await?;
    Ok((key, secret))
}

/// Adds a key with a given text.
///
/// # Errors
/// When the store cannot be written, or the key is there already (`Conflict`).
pub async fn add(deps: &Deps, new: NewKey, secret: &SecretString) -> Result<ApiKey, StoreError> {
    let secret = secret.expose_secret();
    let key = ApiKey {
        id: deps.new_id(KeyId::from_parts),
        workspace: new.workspace,
        name: new.name,
        prefix: secret.chars().take(PREFIX_CHARS).collect(),
        digest: digest(secret),
        scopes: new.scopes,
        accounts: new.accounts,
        is_test: new.is_test,
        rate_per_minute: new.rate_per_minute,
        rate_burst: new.rate_burst,
        expires_at: new.expires_at,
        revoked_at: None,
        created_at: deps.now(),
        last_used_at: None,
    };
    deps.accounts.key_add(key.clone()).await?;
    directory::refresh(deps).await?;
    Ok(key)
}

/// Takes a key back, at once on this process. `false`: there is none, or it was taken back before.
///
/// # Errors
/// When the store cannot be written.
pub async fn revoke(deps: &Deps, workspace: WorkspaceId, id: KeyId) -> Result<bool, StoreError> {
    let is_revoked = deps.accounts.key_revoke(workspace, id, deps.now()).await?;
    directory::refresh(deps).await?;
    Ok(is_revoked)
}

/// Bytes as letters and digits that need no escaping anywhere: five bits each.
fn letters(bytes: &[u8]) -> String {
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
