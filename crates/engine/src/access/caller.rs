//! Authenticated callers of the API, and the accounts and permissions that they have.

use std::net::IpAddr;
use std::sync::Arc;

use domain::access::api_key::{ApiKey, KeyAccess};
use domain::access::audit::{Actor, ActorKind};
use domain::access::permission::Permission;
use domain::accounts::account::Account;
use domain::id::{AccountId, KeyId, OwnerId, WorkspaceId};

use super::audit_context::user_actor;
use super::session::Session;
use crate::ports::StoreError;
use crate::{AuditContext, Deps};

/// Authenticated caller of the API.
#[derive(Clone, Debug)]
pub enum Caller {
    /// Program with an API key.
    Key(Arc<ApiKey>),
    /// User with a session.
    User(Arc<Session>),
}

impl Caller {
    /// Returns the workspace of the caller.
    pub fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Key(key) => key.workspace,
            Self::User(session) => session.user.workspace,
        }
    }

    /// Returns `true` if the key is valid according to the directory, or the session has not expired. Requests that last,
    /// such as event streams, check this repeatedly.
    pub fn is_valid(&self, deps: &Deps) -> bool {
        match self {
            Self::Key(key) => {
                deps.directory.current().key(&key.digest).is_some_and(|key| key.is_valid(deps.now()))
            }
            Self::User(session) => deps.now() < session.ends_at,
        }
    }

    /// Returns `true` if [`Caller::is_valid`], and a session is still in the store.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn is_valid_in_store(&self, deps: &Deps) -> Result<bool, StoreError> {
        let Self::User(session) = self else { return Ok(self.is_valid(deps)) };
        Ok(self.is_valid(deps) && deps.users.get_session(&session.digest).await?.is_some())
    }

    /// Returns `true` if the caller is a key that lists the accounts that it may use.
    pub fn is_account_restricted(&self) -> bool {
        match self {
            Self::Key(key) => !key.accounts.is_empty(),
            Self::User(_) => false,
        }
    }

    /// Returns the owner of rate limits and `Idempotency-Key`s: a key together with its rotations, or a user.
    pub fn owner(&self) -> OwnerId {
        match self {
            Self::Key(key) => key.owner,
            Self::User(session) => OwnerId::from_bytes(*session.user.id.as_bytes()),
        }
    }

    /// Returns the identifier of the API key; `None` for a user.
    pub fn key_id(&self) -> Option<KeyId> {
        match self {
            Self::Key(key) => Some(key.id),
            Self::User(_) => None,
        }
    }

    /// Returns `true` if the caller has the permission.
    pub fn has_permission(&self, permission: Permission) -> bool {
        match self {
            Self::Key(key) => key.has_permission(permission),
            Self::User(session) => session.user.role.has_permission(permission),
        }
    }

    /// Returns all permissions of the caller.
    pub fn permissions(&self) -> impl Iterator<Item = Permission> {
        Permission::ALL.iter().copied().filter(|permission| self.has_permission(*permission))
    }

    /// Returns the maximum access of the keys that the caller creates; `None` is no limit.
    pub fn key_access(&self) -> Option<KeyAccess> {
        match self {
            Self::Key(key) => Some(key.access()),
            Self::User(_) => None,
        }
    }

    /// Returns `true` if the caller is a test key.
    pub fn is_test(&self) -> bool {
        match self {
            Self::Key(key) => key.is_test,
            Self::User(_) => false,
        }
    }

    /// Returns `true` if the caller may use the account: a key if its kind (sandbox or live) and its list of accounts allow
    /// the account, a user always.
    pub fn can_use_account(&self, account: &Account) -> bool {
        match self {
            Self::Key(key) => key.can_use_account(account.id, account.is_sandbox),
            Self::User(_) => true,
        }
    }

    /// Returns the accounts whose data the caller may see; `None` is all accounts, including deleted accounts.
    pub fn visible_accounts(&self, deps: &Deps) -> Option<Vec<AccountId>> {
        let directory = deps.directory.current();
        let accounts = || directory.accounts_of(self.workspace()).map(|record| &record.account);
        if !self.is_account_restricted() && accounts().all(|account| self.can_use_account(account)) {
            return None;
        }
        Some(accounts().filter(|account| self.can_use_account(account)).map(|account| account.id).collect())
    }

    /// Returns `true` if the caller may see data that belongs to no single account. `false` for a key that lists accounts,
    /// and for a test key in a workspace with live accounts.
    pub fn has_workspace_access(&self, deps: &Deps) -> bool {
        !self.is_account_restricted() && (!self.is_test() || self.visible_accounts(deps).is_none())
    }

    /// Returns `true` if the caller may see the data of the account.
    pub fn can_see_account(&self, deps: &Deps, account: AccountId) -> bool {
        self.visible_accounts(deps).is_none_or(|visible| visible.contains(&account))
    }

    /// Returns the audit context of a request of the caller.
    pub fn audit_context(&self, client: Option<IpAddr>, request_id: Arc<str>) -> AuditContext {
        let actor = match self {
            Self::Key(key) => {
                Actor { kind: ActorKind::Key, id: Some(key.id.to_string()), name: key.name.clone() }
            }
            Self::User(session) => user_actor(&session.user),
        };
        AuditContext { actor, client, request_id: Some(request_id) }
    }
}
