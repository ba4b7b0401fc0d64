//! Who may do what through the API.

use jiff::Timestamp;

use crate::access::permission::Permission;
use crate::id::{AccountId, KeyId, OwnerId, WorkspaceId};
use crate::text_enum;

text_enum! {
    /// What a key may do.
    pub enum KeyScope {
        /// Send messages.
        Send = "send",
        /// Read everything that holds no secret.
        Read = "read",
        /// Change accounts, templates, contacts, keys and webhooks.
        Manage = "manage",
    }
}

/// The SHA-256 of a key. The key itself is shown once and never kept.
pub type KeyDigest = [u8; 32];

/// A key of the API, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// Whose its limits and its callers' keys for repeated requests are: the same for a key and all that replaced it.
    pub owner: OwnerId,
    /// The tenant that it acts for.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// The first characters of the key, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub digest: KeyDigest,
    /// What it may do.
    pub scopes: Vec<KeyScope>,
    /// The accounts that it may use; empty means all.
    pub accounts: Vec<AccountId>,
    /// Whether it may use sandbox accounts only (`wp_test_…`) or the others only (`wp_live_…`).
    pub is_test: bool,
    /// Sends in any 60 seconds; `None` is the configured default.
    pub rate_per_minute: Option<u32>,
    /// Sends in any second; `None` is the configured default.
    pub rate_burst: Option<u32>,
    /// When it stops working by itself.
    pub expires_at: Option<Timestamp>,
    /// When it was taken back.
    pub revoked_at: Option<Timestamp>,
    /// The key that was made in its place.
    pub replaced_by: Option<KeyId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Whether the key opens the door at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none_or(|at| now < at) && self.expires_at.is_none_or(|at| now < at)
    }

    /// Whether the key may do this.
    pub fn may(&self, permission: Permission) -> bool {
        permission.scope().is_some_and(|scope| self.scopes.contains(&scope))
    }

    /// Whether the key may use this account: its kind (sandbox or not) and its list.
    pub fn may_use(&self, account: AccountId, is_sandbox: bool) -> bool {
        self.is_test == is_sandbox && (self.accounts.is_empty() || self.accounts.contains(&account))
    }
}

/// What a key may do, apart from how fast: what one key can hand out to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAccess {
    /// The scopes.
    pub scopes: Vec<KeyScope>,
    /// The accounts; empty means all.
    pub accounts: Vec<AccountId>,
    /// Whether these are sandbox accounts.
    pub is_test: bool,
    /// How long.
    pub expires_at: Option<Timestamp>,
}

/// In what a key would exceed the one that makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivilegeEscalation {
    /// A test key for a live one, or the other way round.
    Kind,
    /// A scope.
    Scope(KeyScope),
    /// An account.
    Accounts,
    /// A longer life.
    Expiry,
}

impl ApiKey {
    /// What the key may do.
    pub fn access(&self) -> KeyAccess {
        KeyAccess {
            scopes: self.scopes.clone(),
            accounts: self.accounts.clone(),
            is_test: self.is_test,
            expires_at: self.expires_at,
        }
    }
}

impl KeyAccess {
    /// In what `other` exceeds this; `None`: in nothing.
    pub fn escalation(&self, other: &Self) -> Option<PrivilegeEscalation> {
        if self.is_test != other.is_test {
            return Some(PrivilegeEscalation::Kind);
        }
        if let Some(scope) = other.scopes.iter().find(|scope| !self.scopes.contains(scope)) {
            return Some(PrivilegeEscalation::Scope(*scope));
        }
        let is_within = |account| self.accounts.contains(account);
        let is_limited = !self.accounts.is_empty();
        if is_limited && (other.accounts.is_empty() || !other.accounts.iter().all(is_within)) {
            return Some(PrivilegeEscalation::Accounts);
        }
        let outlives = |end: Timestamp| other.expires_at.is_none_or(|at| at > end);
        self.expires_at.is_some_and(outlives).then_some(PrivilegeEscalation::Expiry)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId::from_parts(u64::from(n), &[n; 10])
    }

    prop_compose! {
        fn key_access()(
            scopes in proptest::sample::subsequence(KeyScope::ALL.to_vec(), 0..=3),
            accounts in proptest::sample::subsequence(vec![account(1), account(2), account(3)], 0..=3),
            is_test: bool,
            end in proptest::option::of(0_i64..3),
        ) -> KeyAccess {
            let expires_at = end.map(|end| Timestamp::from_second(end).unwrap());
            KeyAccess { scopes, accounts, is_test, expires_at }
        }
    }

    proptest! {
        #[test]
        fn what_is_within_lets_nothing_through_that_the_maker_has_not(
            maker in key_access(),
            made in key_access(),
            n in 1_u8..5,
            second in -1_i64..4,
        ) {
            if maker.escalation(&made).is_none() {
                let opens = |access: &KeyAccess| {
                    let at = Timestamp::from_second(second).unwrap();
                    let is_listed = access.accounts.is_empty() || access.accounts.contains(&account(n));
                    is_listed && access.expires_at.is_none_or(|end| at < end)
                };
                prop_assert!(!opens(&made) || opens(&maker));
                prop_assert!(made.scopes.iter().all(|scope| maker.scopes.contains(scope)));
                prop_assert_eq!(made.is_test, maker.is_test);
            }
        }

        #[test]
        fn handing_on_twice_is_no_way_around(a in key_access(), b in key_access(), c in key_access()) {
            if a.escalation(&b).is_none() && b.escalation(&c).is_none() {
                prop_assert_eq!(a.escalation(&c), None);
            }
            prop_assert_eq!(a.escalation(&a), None);
        }
    }
}
