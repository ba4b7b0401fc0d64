//! API keys, users, sessions and the audit log.

use super::port_macro::port;
use super::{Page, PageRequest, StoreError};
use domain::access::api_key::ApiKey;
use domain::access::audit::{AuditAction, AuditEntry};
use domain::access::permission::Role;
use domain::access::user::{Email, User};
use domain::id::{KeyId, UserId, WorkspaceId};
use jiff::Timestamp;
use secrecy::SecretString;

port! {
    storage api_keys_port;

    /// API keys.
    pub trait ApiKeys {
        /// Adds a key.
        async fn insert_api_key(&self, key: ApiKey, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// One page of the keys that are not revoked, newest first.
        async fn list_api_keys(
            &self,
            workspace: WorkspaceId,
            filter: &ApiKeyFilter,
            page: PageRequest,
        ) -> Result<Page<ApiKey>, StoreError>;

        /// Puts a new key in the place of an old one. `false`: the old one is gone, over or was replaced before.
        async fn rotate_api_key(&self, rotation: ApiKeyRotation, audit_entry: AuditEntry) -> Result<bool, StoreError>;

        /// Takes a key back. `false`: there is none, or it was taken back before.
        async fn revoke_api_key(
            &self,
            workspace: WorkspaceId,
            id: KeyId,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Writes down when keys were last used.
        async fn update_api_keys_last_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;
    }
}

port! {
    storage users_port;

    /// Users and their sessions.
    pub trait Users {
        /// Adds a user.
        ///
        /// # Errors
        /// `Conflict` when the address is taken.
        async fn insert_user(&self, user: User, password_hash: &str, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// One page of users, oldest first.
        async fn list_users(
            &self,
            workspace: WorkspaceId,
            filter: &UserFilter,
            page: PageRequest,
        ) -> Result<Page<User>, StoreError>;

        /// Changes a user. A new password, and a user who may not log in any more, end all sessions.
        ///
        /// # Errors
        /// `Conflict` when the address is taken.
        async fn update_user(&self, change: UserUpdate, audit_entry: AuditEntry) -> Result<UpdateUserResult, StoreError>;

        /// Removes a user, who must still have the role that was seen, with all sessions.
        async fn delete_user(
            &self,
            workspace: WorkspaceId,
            id: UserId,
            seen_role: Role,
            audit_entry: AuditEntry,
        ) -> Result<UpdateUserResult, StoreError>;

        /// A user with the hash of the password.
        async fn get_user_credentials(
            &self,
            whose: &CredentialsQuery,
        ) -> Result<Option<UserCredentials>, StoreError>;

        /// Begins a session. `false`: the user or the password has changed meanwhile.
        async fn insert_session(&self, new: NewSession, audit_entry: AuditEntry) -> Result<bool, StoreError>;

        /// A session with its user.
        async fn get_session(&self, digest: &SessionDigest) -> Result<Option<StoredSession>, StoreError>;

        /// Ends a session.
        async fn delete_session(&self, workspace: WorkspaceId, digest: &SessionDigest) -> Result<(), StoreError>;

        /// Writes down when sessions were last used.
        async fn update_sessions_last_used(&self, seen: &[(SessionDigest, Timestamp)]) -> Result<(), StoreError>;

        /// Forgets sessions that began, or were last used, before these times: at most `limit`.
        async fn expire_sessions(
            &self,
            begun_before: Timestamp,
            seen_before: Timestamp,
            limit: u32,
        ) -> Result<(), StoreError>;
    }
}

port! {
    storage audit_log_port;

    /// Audit log. Other ports write their entries in the transaction of the change.
    pub trait AuditLog {
        /// Writes down an act that was done at Meta alone.
        async fn insert_audit_entry(&self, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// One page of the audit log, newest first.
        async fn list_audit_entries(
            &self,
            workspace: WorkspaceId,
            filter: &AuditFilter,
            page: PageRequest,
        ) -> Result<Page<AuditEntry>, StoreError>;
    }
}

port! {
    /// Hashes passwords, on few threads at a time: it takes long and much memory on purpose.
    pub trait Passwords {
        /// The hash to keep; `salt` is drawn for it alone.
        async fn hash(&self, password: SecretString, salt: [u8; 16]) -> Result<String, PasswordError>;

        /// Whether this is the password with that hash. Without a hash it is not, and to find out takes as long.
        async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, PasswordError>;
    }
}

/// A password that could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// As many wait as may.
    #[error("too many passwords are being hashed")]
    Busy,
    /// A fault of ours, or a hash that cannot be read.
    #[error("hashing a password failed")]
    Failed,
}

/// SHA-256 of a session's secret.
pub type SessionDigest = [u8; 32];

/// Which keys to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyFilter {
    /// With this id.
    pub id: Option<KeyId>,
    /// With this in the name or the prefix.
    pub search: Option<String>,
}

/// A key in the place of another.
#[derive(Clone, Debug)]
pub struct ApiKeyRotation {
    /// The new key.
    pub new: ApiKey,
    /// The one that it replaces.
    pub old: KeyId,
    /// When that one ends, unless it ends earlier by itself.
    pub old_expires_at: Timestamp,
    /// When.
    pub now: Timestamp,
}

/// Which users to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// With this id.
    pub id: Option<UserId>,
    /// With this address, in the form under which it is unique.
    pub email: Option<String>,
    /// In this role.
    pub role: Option<Role>,
    /// With this in the name or the address.
    pub search: Option<String>,
}

/// What shall be different about a user; `None` stays.
#[derive(Clone)]
pub struct UserUpdate {
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Who.
    pub id: UserId,
    /// The role that the user must still have: whether the change is allowed was judged by it.
    pub seen_role: Role,
    /// The address.
    pub email: Option<Email>,
    /// The name; `Some(None)` clears it.
    pub name: Option<Option<String>>,
    /// The role.
    pub role: Option<Role>,
    /// Whether the user may not log in.
    pub is_disabled: Option<bool>,
    /// The hash of the password.
    pub password_hash: Option<String>,
    /// When.
    pub now: Timestamp,
}

/// What became of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateUserResult {
    /// This.
    Done(User),
    /// There is no such user.
    Gone,
    /// Nothing: it is the workspace's last owner.
    LastOwner,
    /// Nothing: the role is another one by now.
    Stale,
}

/// Whose password.
#[derive(Clone, Debug)]
pub enum CredentialsQuery {
    /// The user's with this id.
    Id(WorkspaceId, UserId),
    /// The user's with this address, in the form under which it is unique. Without a workspace: of the one with this id
    /// if it is there, else of the oldest that has the address.
    Email {
        /// The address.
        email: String,
        /// Only this workspace.
        only: Option<WorkspaceId>,
        /// The workspace that comes first.
        first: Option<WorkspaceId>,
    },
}

/// A user with the hash of the password.
#[derive(Clone)]
pub struct UserCredentials {
    /// The user.
    pub user: User,
    /// The hash.
    pub password_hash: String,
}

/// A session to begin.
#[derive(Clone)]
pub struct NewSession {
    /// Under what it is found.
    pub digest: SessionDigest,
    /// The tenant.
    pub workspace: WorkspaceId,
    /// Who.
    pub user: UserId,
    /// The hash with which the password was found right.
    pub password_hash: String,
    /// When.
    pub now: Timestamp,
}

/// A session that is kept.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// Who.
    pub user: User,
    /// When it began.
    pub begun_at: Timestamp,
    /// When it was last used, as far as that was written down.
    pub seen_at: Timestamp,
}

/// Which acts to list; `None` is any.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// By the actor with this id or name.
    pub actor: Option<String>,
    /// With this action.
    pub action: Option<AuditAction>,
    /// To the subject with this id or name.
    pub subject: Option<String>,
    /// From this time on.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// With this in the name of actor or subject.
    pub search: Option<String>,
}
