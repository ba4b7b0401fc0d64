//! The port for users, sessions, keys and the audit log, each method one transaction.

use async_trait::async_trait;
use domain::access::api_key::ApiKey;
use domain::access::audit::AuditEntry;
use domain::access::permission::Role;
use domain::access::user::User;
use domain::id::{UserId, WorkspaceId};
use engine::ports::{
    Access, AuditFilter, Credentials, KeyFilter, NewSession, Page, PageRequest, Rotation, SessionDigest,
    StoreError, StoredSession, UserChange, UserEnd, UserFilter, Whose,
};
use jiff::Timestamp;

use super::{audit, users};
use crate::accounts::directory;
use crate::sqlite::SqliteStore;

#[async_trait]
impl Access for SqliteStore {
    async fn workspace_add(&self, id: WorkspaceId, name: &str, act: AuditEntry) -> Result<(), StoreError> {
        let name = name.to_owned();
        self.write("adding a workspace", move |tx| directory::workspace_add(tx, id, &name, &act)).await
    }

    async fn keys(
        &self,
        workspace: WorkspaceId,
        filter: &KeyFilter,
        page: PageRequest,
    ) -> Result<Page<ApiKey>, StoreError> {
        let filter = filter.clone();
        self.read("listing keys", move |connection| directory::key_page(connection, workspace, &filter, page))
            .await
    }

    async fn key_rotate(&self, rotation: Rotation, act: AuditEntry) -> Result<bool, StoreError> {
        self.write("rotating a key", move |tx| directory::key_rotate(tx, &rotation, &act)).await
    }

    async fn user_add(&self, user: User, password_hash: &str, act: AuditEntry) -> Result<(), StoreError> {
        let hash = password_hash.to_owned();
        self.write("adding a user", move |tx| users::add(tx, &user, &hash, &act)).await
    }

    async fn users(
        &self,
        workspace: WorkspaceId,
        filter: &UserFilter,
        page: PageRequest,
    ) -> Result<Page<User>, StoreError> {
        let filter = filter.clone();
        self.read("listing users", move |connection| users::page(connection, workspace, &filter, page)).await
    }

    async fn user_put(&self, change: UserChange, act: AuditEntry) -> Result<UserEnd, StoreError> {
        self.write("changing a user", move |tx| users::put(tx, &change, &act)).await
    }

    async fn user_remove(
        &self,
        workspace: WorkspaceId,
        id: UserId,
        seen_role: Role,
        act: AuditEntry,
    ) -> Result<UserEnd, StoreError> {
        self.write("removing a user", move |tx| users::remove(tx, (workspace, id), seen_role, &act)).await
    }

    async fn credentials(&self, whose: &Whose) -> Result<Option<Credentials>, StoreError> {
        let whose = whose.clone();
        self.read("looking for who logs in", move |connection| users::credentials(connection, &whose)).await
    }

    async fn session_add(&self, new: NewSession, act: AuditEntry) -> Result<bool, StoreError> {
        self.write("beginning a session", move |tx| users::session_add(tx, &new, &act)).await
    }

    async fn session(&self, digest: &SessionDigest) -> Result<Option<StoredSession>, StoreError> {
        let digest = *digest;
        self.read("looking for a session", move |connection| users::session(connection, &digest)).await
    }

    async fn session_end(&self, workspace: WorkspaceId, digest: &SessionDigest) -> Result<(), StoreError> {
        let digest = *digest;
        self.write("ending a session", move |tx| users::session_end(tx, workspace, &digest)).await
    }

    async fn sessions_seen(&self, seen: &[(SessionDigest, Timestamp)]) -> Result<(), StoreError> {
        let seen = seen.to_vec();
        self.write("noting the use of sessions", move |tx| users::sessions_seen(tx, &seen)).await
    }

    async fn sessions_forget(
        &self,
        begun_before: Timestamp,
        seen_before: Timestamp,
        limit: u32,
    ) -> Result<(), StoreError> {
        self.write("forgetting sessions", move |tx| {
            users::sessions_forget(tx, begun_before, seen_before, limit)
        })
        .await
    }

    async fn audit(
        &self,
        workspace: WorkspaceId,
        filter: &AuditFilter,
        page: PageRequest,
    ) -> Result<Page<AuditEntry>, StoreError> {
        let filter = filter.clone();
        self.read("reading the audit log", move |connection| {
            audit::page(connection, workspace, &filter, page)
        })
        .await
    }
}
