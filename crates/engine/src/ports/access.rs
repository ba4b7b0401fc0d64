//! API keys, users, sessions and the audit log.

use super::message_records::CachedResponse;
use super::port_macro::port;
use super::storage::{Page, PageRequest, StoreError};
use domain::access::api_key::ApiKey;
use domain::access::audit::{AuditAction, AuditEntry};
use domain::access::permission::Role;
use domain::access::user::{Email, User};
use domain::id::{KeyId, OwnerId, RequestId, UserId, WorkerId, WorkspaceId};
use jiff::Timestamp;
use secrecy::SecretString;

port! {
    storage api_keys_port;

    /// API keys.
    pub trait ApiKeys {
        /// Inserts a key.
        ///
        /// # Errors
        /// `Conflict` if another active key of the workspace has the name. A key that was replaced is not active.
        async fn insert_api_key(&self, key: ApiKey, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Returns a page of the keys that are not revoked, newest first.
        async fn list_api_keys(
            &self,
            workspace: WorkspaceId,
            filter: &ApiKeyFilter,
            page: PageRequest,
        ) -> Result<Page<ApiKey>, StoreError>;

        /// Inserts a key that replaces an old key. Returns `false` if the old key is revoked, expired or replaced.
        async fn rotate_api_key(&self, rotation: ApiKeyRotation, audit_entry: AuditEntry) -> Result<bool, StoreError>;

        /// Revokes a key. Returns `false` if the key does not exist or is revoked already.
        async fn revoke_api_key(
            &self,
            workspace: WorkspaceId,
            id: KeyId,
            audit_entry: AuditEntry,
        ) -> Result<bool, StoreError>;

        /// Stores the times at which keys were last used.
        async fn update_api_keys_last_used(&self, used: &[(KeyId, Timestamp)]) -> Result<(), StoreError>;
    }
}

port! {
    storage idempotent_requests_port;

    /// Requests with an `Idempotency-Key`. Sends have records of their own, which are written with their message.
    pub trait IdempotentRequests {
        /// Inserts the record of a request before the request has an effect. Returns the record of an earlier request with
        /// the same key, if there is one; then nothing is inserted.
        async fn insert_idempotent_request(
            &self,
            new: NewIdempotentRequest,
        ) -> Result<Option<EarlierRequest>, StoreError>;

        /// Returns the record of an earlier request with the key of `request`.
        async fn get_idempotent_request(
            &self,
            request: &NewIdempotentRequest,
        ) -> Result<Option<EarlierRequest>, StoreError>;

        /// Stores the end of a request, with the digest of its body.
        async fn finish_idempotent_request(
            &self,
            id: RequestId,
            digest: Option<RequestDigest>,
            end: RequestEnd,
        ) -> Result<(), StoreError>;
    }
}

port! {
    storage users_port;

    /// Users and their sessions.
    pub trait Users {
        /// Inserts a user.
        ///
        /// # Errors
        /// `Conflict` if another user of the workspace has the e-mail address.
        async fn insert_user(&self, user: User, password_hash: &str, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Returns a page of users, oldest first.
        async fn list_users(
            &self,
            workspace: WorkspaceId,
            filter: &UserFilter,
            page: PageRequest,
        ) -> Result<Page<User>, StoreError>;

        /// Changes a user. Deletes all sessions of the user if the password changes or the user is disabled.
        ///
        /// # Errors
        /// `Conflict` if another user of the workspace has the e-mail address.
        async fn update_user(&self, change: UserUpdate, audit_entry: AuditEntry) -> Result<UpdateUserResult, StoreError>;

        /// Deletes a user and all sessions of the user, if the user has the expected role.
        async fn delete_user(
            &self,
            workspace: WorkspaceId,
            id: UserId,
            expected_role: Role,
            audit_entry: AuditEntry,
        ) -> Result<UpdateUserResult, StoreError>;

        /// Returns a user with the hash of the user's password.
        async fn get_user_credentials(
            &self,
            query: &CredentialsQuery,
        ) -> Result<Option<UserCredentials>, StoreError>;

        /// Inserts a session. Returns `false` if the user was deleted or disabled, or the password changed, in the
        /// meantime.
        async fn insert_session(&self, new: NewSession, audit_entry: AuditEntry) -> Result<bool, StoreError>;

        /// Returns a session with its user.
        async fn get_session(&self, digest: &SessionDigest) -> Result<Option<StoredSession>, StoreError>;

        /// Deletes a session.
        async fn delete_session(&self, workspace: WorkspaceId, digest: &SessionDigest) -> Result<(), StoreError>;

        /// Stores the times at which sessions were last used.
        async fn update_sessions_last_used(&self, seen: &[(SessionDigest, Timestamp)]) -> Result<(), StoreError>;

        /// Deletes at most `limit` sessions that were created before `created_before` or last used before
        /// `last_used_before`.
        async fn expire_sessions(
            &self,
            created_before: Timestamp,
            last_used_before: Timestamp,
            limit: u32,
        ) -> Result<(), StoreError>;
    }
}

port! {
    storage audit_log_port;

    /// Audit log. Other ports write their entries in the transaction of the change.
    pub trait AuditLog {
        /// Inserts the entry of a change that was made at Meta only.
        async fn insert_audit_entry(&self, audit_entry: AuditEntry) -> Result<(), StoreError>;

        /// Returns a page of the audit log, newest first.
        async fn list_audit_entries(
            &self,
            workspace: WorkspaceId,
            filter: &AuditFilter,
            page: PageRequest,
        ) -> Result<Page<AuditEntry>, StoreError>;
    }
}

port! {
    /// Password hashing. A hash takes much time and memory on purpose, therefore the number of concurrent and of waiting
    /// hashes is limited.
    pub trait Passwords {
        /// Hashes a password, in the queue [`PasswordQueue::Known`]. `salt` is random and used for this password only.
        async fn hash(&self, password: SecretString, salt: [u8; 16]) -> Result<String, PasswordError>;

        /// Returns `true` if the password has this hash. Without a hash, returns `false` after the same time.
        async fn verify(
            &self,
            password: SecretString,
            hash: Option<String>,
            queue: PasswordQueue,
        ) -> Result<bool, PasswordError>;
    }
}

/// Queue in which a password waits to be hashed. A full queue does not delay the other queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordQueue {
    /// The request has a session or an API key.
    Known,
    /// Everybody else.
    Others,
}

/// Error of password hashing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// The maximum number of passwords waits to be hashed.
    #[error("too many passwords are being hashed")]
    Busy,
    /// Internal error, or the stored hash is not valid.
    #[error("hashing a password failed")]
    Failed,
}

/// SHA-256 digest of a session's secret.
pub type SessionDigest = [u8; 32];

/// Filter of API keys; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct ApiKeyFilter {
    /// Identifier.
    pub id: Option<KeyId>,
    /// Text contained in the name or the prefix.
    pub search: Option<String>,
}

/// Rotation of an API key.
#[derive(Clone, Debug)]
pub struct ApiKeyRotation {
    /// New key.
    pub new: ApiKey,
    /// Identifier of the replaced key.
    pub old: KeyId,
    /// Time at which the replaced key expires, unless it expires earlier by itself.
    pub old_expires_at: Timestamp,
    /// Current time.
    pub now: Timestamp,
}

/// Filter of users; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct UserFilter {
    /// Identifier.
    pub id: Option<UserId>,
    /// E-mail address in the normalized form that is unique in a workspace.
    pub email: Option<String>,
    /// Role.
    pub role: Option<Role>,
    /// Text contained in the name or the e-mail address.
    pub search: Option<String>,
}

/// Change of a user; `None` leaves a value unchanged.
#[derive(Clone)]
pub struct UserUpdate {
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the user.
    pub id: UserId,
    /// Role for which the change was authorized. The change is stale if the user has another role.
    pub expected_role: Role,
    /// E-mail address.
    pub email: Option<Email>,
    /// Display name; `Some(None)` deletes the name.
    pub name: Option<Option<String>>,
    /// Role.
    pub role: Option<Role>,
    /// `true` disables the user, `false` enables the user.
    pub is_disabled: Option<bool>,
    /// Hash of the password.
    pub password_hash: Option<String>,
    /// Current time.
    pub now: Timestamp,
}

/// Result of the change or deletion of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UpdateUserResult {
    /// The user was changed or deleted. Contains the changed, or deleted, user.
    Updated(User),
    /// The user does not exist.
    NotFound,
    /// Nothing changed: the user is the last owner of the workspace.
    LastOwner,
    /// Nothing changed: the user does not have the expected role.
    Stale,
}

/// User whose credentials are read.
#[derive(Clone, Debug)]
pub enum CredentialsQuery {
    /// User by id.
    Id(WorkspaceId, UserId),
    /// User by e-mail address.
    Email {
        /// E-mail address in the normalized form that is unique in a workspace.
        email: String,
        /// Workspace of the user; `None` searches all workspaces.
        only: Option<WorkspaceId>,
        /// Workspace that is preferred if several workspaces have the e-mail address; else the oldest workspace.
        preferred: Option<WorkspaceId>,
    },
}

/// User with the hash of the user's password.
#[derive(Clone)]
pub struct UserCredentials {
    /// User.
    pub user: User,
    /// Hash of the password.
    pub password_hash: String,
}

/// Session to insert.
#[derive(Clone)]
pub struct NewSession {
    /// SHA-256 digest of the secret.
    pub digest: SessionDigest,
    /// Identifier of the workspace.
    pub workspace: WorkspaceId,
    /// Identifier of the user.
    pub user: UserId,
    /// Hash with which the password was verified. The insertion fails if the password changed in the meantime.
    pub password_hash: String,
    /// Current time.
    pub now: Timestamp,
}

/// Session read from the store.
#[derive(Clone, Debug)]
pub struct StoredSession {
    /// User of the session.
    pub user: User,
    /// Time of creation.
    pub created_at: Timestamp,
    /// Time of the last use that was stored.
    pub last_used_at: Timestamp,
}

/// Filter of audit entries; `None` matches all.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Id or name of the actor.
    pub actor: Option<String>,
    /// Action.
    pub action: Option<AuditAction>,
    /// Id or name of the target.
    pub subject: Option<String>,
    /// Earliest time of the entry.
    pub since: Option<Timestamp>,
    /// Time before which the entry was written.
    pub until: Option<Timestamp>,
    /// Text contained in the name of the actor or the target.
    pub search: Option<String>,
}

/// SHA-256 of the path and the body of a request.
pub type RequestDigest = [u8; 32];

/// Request with an idempotency key that begins.
#[derive(Clone, Debug)]
pub struct NewIdempotentRequest {
    /// Identifier of the request.
    pub id: RequestId,
    /// Workspace of the caller.
    pub workspace: WorkspaceId,
    /// Owner of the key.
    pub owner: OwnerId,
    /// Key, as the caller wrote it.
    pub key: String,
    /// Digest of the path and the body; `None` if the body is read as a stream.
    pub digest: Option<RequestDigest>,
    /// Process that runs the request.
    pub worker: WorkerId,
    /// Current time.
    pub now: Timestamp,
    /// Time at which the key can be used for another request.
    pub expires_at: Timestamp,
}

/// Earlier request with the same idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub struct EarlierRequest {
    /// `false` if the earlier request had another path or body; `None` if one of the bodies is not known yet.
    pub is_same: Option<bool>,
    /// State of the earlier request.
    pub state: EarlierRequestState,
}

/// State of an earlier request.
#[derive(Clone, Debug, PartialEq)]
pub enum EarlierRequestState {
    /// The process may be running the request.
    Running {
        /// Process that runs the request.
        worker: WorkerId,
        /// `true` if the process is alive.
        is_alive: bool,
    },
    /// The request has ended, and its response is stored.
    Finished(RequestResponse),
    /// The request has ended, and its response is not stored. It may have had an effect.
    Interrupted,
}

/// Response that is stored for repeated requests.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestResponse {
    /// Status and body.
    pub response: CachedResponse,
    /// `true` if the body contains a secret. The store encrypts the body.
    pub has_secret: bool,
}

/// End of a request with an idempotency key.
#[derive(Clone, Debug)]
pub enum RequestEnd {
    /// Repeated requests get this response.
    Finished(RequestResponse),
    /// The request had no effect: the key can be used again.
    Released,
    /// The request may have had an effect, and has no response for repeated requests.
    Interrupted,
}
