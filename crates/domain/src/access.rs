//! Who may do what through the API.

use std::str::FromStr;

use jiff::Timestamp;

use crate::id::{AccountId, KeyId, WorkspaceId};
use crate::message::UnknownWord;

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Send messages.
    Send,
    /// Read everything that holds no secret.
    Read,
    /// Change accounts, templates, contacts, keys and webhooks.
    Manage,
}

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 3] = [Self::Send, Self::Read, Self::Manage];

    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Read => "read",
            Self::Manage => "manage",
        }
    }
}

impl FromStr for Scope {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text).ok_or(UnknownWord)
    }
}

/// The SHA-256 of a key. The key itself is shown once and never kept.
pub type KeyDigest = [u8; 32];

/// A key of the API, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// The tenant that it acts for.
    pub workspace: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// The first characters of the key, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the whole key.
    pub digest: KeyDigest,
    /// What it may do.
    pub scopes: Vec<Scope>,
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
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether the key may use this account: its kind (sandbox or not) and its list.
    pub fn may_use(&self, account: AccountId, is_sandbox: bool) -> bool {
        self.is_test == is_sandbox && (self.accounts.is_empty() || self.accounts.contains(&account))
    }
}
