//! The port for users, sessions, keys and the audit log, each method one transaction.

use async_trait::async_trait;
use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::access::permission::Role;
use domain::access::user::User;
use domain::id::{UserId, WorkspaceId};
use jiff::Timestamp;

use crate::access::{api_keys, audit, sessions, users, workspaces};
use crate::sqlite::SqliteStore;

use engine::ports::{
    Access, ApiKeyFilter, ApiKeyRotation, AuditFilter, CredentialsQuery, NewSession, Page, PageRequest,
    SessionDigest, StoreError, StoredSession, UpdateUserResult, UserCredentials, UserFilter, UserUpdate,
};

#[async_trait]
impl Access for SqliteStore {
    async fn insert_workspace(&self, id: WorkspaceId, name: &str, act: AuditEntry) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write("adding a workspace", move |tx| workspaces::insert_workspace(tx, id, &name, &act)).await
    }

    async fn list_api_keys(
        &self,
        workspace: WorkspaceId,
        filter: &ApiKeyFilter,
        page: PageRequest,
    ) -> Result<Page<ApiKey>, StoreError> {
        let filter = filter.clone();
        self.read("listing keys", move |connection| api_keys::list_keys(connection, workspace, &filter, page))
            .await
    }

    async fn rotate_api_key(&self, rotation: ApiKeyRotation, act: AuditEntry) -> Result<bool, StoreError> {
        self.write("rotating a key", move |tx| api_keys::rotate_key(tx, &rotation, &act)).await
    }

    async fn insert_user(&self, user: User, password_hash: &str, act: AuditEntry) -> Result<(), StoreError> {
        let hash = password_hash.to_owned();
        self.write("adding a user", move |tx| users::insert_user(tx, &user, &hash, &act)).await
    }

    async fn list_users(
        &self,
        workspace: WorkspaceId,
        filter: &UserFilter,
        page: PageRequest,
    ) -> Result<Page<User>, StoreError> {
        let filter = filter.clone();
        self.read("listing users", move |connection| users::list_users(connection, workspace, &filter, page))
            .await
    }

    async fn update_user(&self, change: UserUpdate, act: AuditEntry) -> Result<UpdateUserResult, StoreError> {
        self.write("changing a user", move |tx| users::update_user(tx, &change, &act)).await
    }

    async fn delete_user(
        &self,
        workspace: WorkspaceId,
        id: UserId,
        seen_role: Role,
        act: AuditEntry,
    ) -> Result<UpdateUserResult, StoreError> {
        self.write("removing a user", move |tx| users::delete_user(tx, (workspace, id), seen_role, &act))
            .await
    }

    async fn get_user_credentials(
        &self,
        whose: &CredentialsQuery,
    ) -> Result<Option<UserCredentials>, StoreError> {
        let whose = whose.clone();
        self.read("looking for who logs in", move |connection| users::get_credentials(connection, &whose))
            .await
    }

    async fn insert_session(&self, new: NewSession, act: AuditEntry) -> Result<bool, StoreError> {
        self.write("beginning a session", move |tx| sessions::insert_session(tx, &new, &act)).await
    }

    async fn get_session(&self, digest: &SessionDigest) -> Result<Option<StoredSession>, StoreError> {
        let digest = *digest;
        self.read("looking for a session", move |connection| sessions::get_session(connection, &digest)).await
    }

    async fn delete_session(&self, workspace: WorkspaceId, digest: &SessionDigest) -> Result<(), StoreError> {
        let digest = *digest;
        self.write("ending a session", move |tx| sessions::delete_session(tx, workspace, &digest)).await
    }

    async fn update_sessions_last_used(&self, seen: &[(SessionDigest, Timestamp)]) -> Result<(), StoreError> {
        let seen = seen.to_vec();
        self.write("noting the use of sessions", move |tx| sessions::touch_sessions(tx, &seen)).await
    }

    async fn expire_sessions(
        &self,
        begun_before: Timestamp,
        seen_before: Timestamp,
        limit: u32,
    ) -> Result<(), StoreError> {
        self.write("forgetting sessions", move |tx| {
            sessions::expire_sessions(tx, begun_before, seen_before, limit)
        })
        .await
    }

    async fn list_audit_entries(
        &self,
        workspace: WorkspaceId,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let filter = filter.clone();
        self.read("reading the audit log", move |connection| {
            audit::list_entries(connection, workspace, &filter, page)
        })
        .await
    }
}
