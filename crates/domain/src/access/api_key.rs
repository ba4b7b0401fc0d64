//! API keys and their access.

use jiff::Timestamp;

use crate::id::{AccountId, KeyId, OwnerId, WorkspaceId};
use crate::text_enum;

text_enum! {
    /// Scope of an API key. The permissions that a scope gives are in the table of [`crate::access::permission`].
    pub enum KeyScope {
        /// Send messages.
        Send = "send",
        /// Read everything that holds no secret.
        Read = "read",
        /// Change accounts, templates, contacts, keys, users and webhooks; read the audit log.
        Manage = "manage",
        /// Change contacts.
        Contacts = "contacts",
        /// Change templates.
        Templates = "templates",
        /// Upload and delete files.
        Media = "media",
        /// Change accounts.
        Accounts = "accounts",
        /// Change webhooks. A key also needs `read`.
        Webhooks = "webhooks",
        /// Change API keys.
        Keys = "keys",
        /// Change users.
        Users = "users",
        /// Read the audit log.
        Audit = "audit",
    }
}

/// SHA-256 of a key. The key itself is shown once and never stored.
pub type KeyDigest = [u8; 32];

/// An API key, without the key itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Id of the key.
    pub id: KeyId,
    /// Owner of the rate limits and of the idempotency records: the same for a key and for the keys that replaced it.
    pub owner: OwnerId,
    /// Workspace that the key belongs to.
    pub workspace: WorkspaceId,
    /// Display name.
    pub name: String,
    /// First characters of the key, by which a user recognizes the key.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub digest: KeyDigest,
    /// Scopes of the key.
    pub scopes: Vec<KeyScope>,
    /// Accounts that the key may use; empty for all accounts.
    pub accounts: Vec<AccountId>,
    /// `true` if the key may use only sandbox accounts (`wp_test_…`), `false` if it may use only other accounts
    /// (`wp_live_…`).
    pub is_test: bool,
    /// Maximum number of sends in any 60 seconds; `None` for the configured default.
    pub rate_per_minute: Option<u32>,
    /// Maximum number of sends in any second; `None` for the configured default.
    pub rate_burst: Option<u32>,
    /// Time from which the key is no longer valid.
    pub expires_at: Option<Timestamp>,
    /// Time at which the key was revoked.
    pub revoked_at: Option<Timestamp>,
    /// Key that replaced this key.
    pub replaced_by: Option<KeyId>,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of the last use, to the minute.
    pub last_used_at: Option<Timestamp>,
}

impl ApiKey {
    /// Returns `true` if the key is valid at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none_or(|at| now < at) && self.expires_at.is_none_or(|at| now < at)
    }

    /// Returns `true` if the key may use this account: its kind (sandbox or not) and its list allow it.
    pub fn can_use_account(&self, account: AccountId, is_sandbox: bool) -> bool {
        self.is_test == is_sandbox && (self.accounts.is_empty() || self.accounts.contains(&account))
    }
}

/// Access of a key. A key cannot create a key with more access.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAccess {
    /// Scopes.
    pub scopes: Vec<KeyScope>,
    /// Accounts; empty for all accounts.
    pub accounts: Vec<AccountId>,
    /// `true` for sandbox accounts.
    pub is_test: bool,
    /// Time at which the access ends.
    pub expires_at: Option<Timestamp>,
}

/// Excess of the access of a new key over the access of the key that creates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrivilegeEscalation {
    /// A test key would create a live key, or a live key a test key.
    Kind,
    /// A scope that the creating key does not have.
    Scope(KeyScope),
    /// An account that the creating key may not use.
    Accounts,
    /// A later expiry.
    Expiry,
}

impl ApiKey {
    /// Returns the access of the key.
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
    /// Returns the first excess of `other` over this access; `None` if there is none.
    pub fn escalation(&self, other: &Self) -> Option<PrivilegeEscalation> {
        if self.is_test != other.is_test {
            return Some(PrivilegeEscalation::Kind);
        }
        let has = |scope: KeyScope| self.scopes.iter().any(|own| own.includes(scope));
        if let Some(scope) = other.scopes.iter().find(|scope| !has(**scope)) {
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
    use crate::access::permission::{MissingScope, Permission};

    fn account(n: u8) -> AccountId {
        AccountId::from_parts(u64::from(n), &[n; 10])
    }

    prop_compose! {
        fn key_access()(
            scopes in proptest::sample::subsequence(KeyScope::ALL.to_vec(), 0..=KeyScope::ALL.len()),
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
        fn a_key_without_escalation_has_no_access_that_the_creating_key_does_not_have(
            creator in key_access(),
            created in key_access(),
            n in 1_u8..5,
            second in -1_i64..4,
        ) {
            if creator.escalation(&created).is_none() {
                let opens = |access: &KeyAccess| {
                    let at = Timestamp::from_second(second).unwrap();
                    let is_listed = access.accounts.is_empty() || access.accounts.contains(&account(n));
                    is_listed && access.expires_at.is_none_or(|end| at < end)
                };
                prop_assert!(!opens(&created) || opens(&creator));
                let gives = |access: &KeyAccess, permission: Permission| {
                    permission.missing_scope(&access.scopes) == MissingScope::None
                };
                prop_assert!(Permission::ALL.iter().all(|one| !gives(&created, *one) || gives(&creator, *one)));
                prop_assert_eq!(created.is_test, creator.is_test);
            }
        }

        #[test]
        fn two_creations_in_a_row_allow_no_escalation(a in key_access(), b in key_access(), c in key_access()) {
            if a.escalation(&b).is_none() && b.escalation(&c).is_none() {
                prop_assert_eq!(a.escalation(&c), None);
            }
            prop_assert_eq!(a.escalation(&a), None);
        }
    }
}
