//! Directory of workspaces, accounts, webhook endpoints and API keys in memory: a send does not read them from the store.
//!
//! Changes of this process take effect at once, changes of other processes within [`REFRESH_INTERVAL`].

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::access::api_key::{ApiKey, KeyDigest};
use domain::id::{AccountId, WebhookId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{AccountRecord, Directory, StoreError, WebhookEndpoint};
use crate::{Deps, chain};

/// Interval at which the directory is refreshed. The revocation of a key must take effect within one second.
pub const REFRESH_INTERVAL: SignedDuration = SignedDuration::from_millis(500);
/// Minimum time between two calls of [`refresh_now`] that read the store: requests with invalid keys must not load the
/// store.
const MIN_REFRESH_INTERVAL: SignedDuration = SignedDuration::from_millis(50);

/// Cache of the directory.
#[derive(Default)]
pub struct DirectoryCache {
    current: RwLock<Arc<Directory>>,
    refreshed_at: Mutex<Option<Timestamp>>,
}

impl DirectoryCache {
    /// Returns the directory as last read.
    pub fn current(&self) -> Arc<Directory> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stores a directory, unless a concurrent call has stored a newer one: a revoked key must stay revoked.
    fn replace(&self, directory: Directory) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.revision.directory <= directory.revision.directory {
            *current = Arc::new(directory);
        }
    }
}

/// Reads the directory if it has changed, and clears the template cache if a template has changed.
///
/// # Errors
/// The store cannot be read. The cached directory stays.
pub async fn refresh(deps: &Deps) -> Result<(), StoreError> {
    let revision = deps.accounts.get_revision().await?;
    deps.templates.invalidate(revision.templates);
    if deps.directory.current().revision.directory != revision.directory {
        deps.directory.replace(deps.accounts.get_directory().await?);
    }
    Ok(())
}

/// Refreshes the directory because a lookup failed: another process may have created the item a moment ago. Does nothing
/// if the last call was less than [`MIN_REFRESH_INTERVAL`] ago, or the store cannot be read.
pub async fn refresh_now(deps: &Deps) {
    let now = deps.now();
    {
        let mut refreshed_at = deps.directory.refreshed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshed_at.is_some_and(|at| now.duration_since(at) < MIN_REFRESH_INTERVAL && at <= now) {
            return;
        }
        *refreshed_at = Some(now);
    }
    if let Err(error) = refresh(deps).await {
        tracing::warn!(error = %chain(&error), "could not refresh accounts and API keys");
    }
}

impl Directory {
    /// Returns the API key with this digest.
    pub fn key(&self, digest: &KeyDigest) -> Option<&Arc<ApiKey>> {
        self.keys.get(digest)
    }

    /// Returns the workspace with this name.
    pub fn workspace(&self, name: &str) -> Option<WorkspaceId> {
        self.workspaces.iter().find(|(_, other)| *other == name).map(|(id, _)| *id)
    }

    /// Returns the accounts of a workspace, oldest first.
    pub fn accounts_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<AccountRecord>> {
        self.accounts.iter().filter(move |record| record.account.workspace == workspace)
    }

    /// Returns the account of a workspace with this id or name.
    pub fn account(&self, workspace: WorkspaceId, id_or_name: &str) -> Option<&Arc<AccountRecord>> {
        let id = id_or_name.parse::<AccountId>().ok();
        self.accounts_of(workspace)
            .find(|record| Some(record.account.id) == id)
            .or_else(|| self.accounts_of(workspace).find(|record| record.account.name == id_or_name))
    }

    /// Returns the webhook endpoints of a workspace, oldest first.
    pub fn webhooks_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<WebhookEndpoint>> {
        self.webhooks.iter().filter(move |record| record.workspace == workspace)
    }

    /// Returns the webhook endpoint of a workspace with this id.
    pub fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Option<&Arc<WebhookEndpoint>> {
        self.webhooks_of(workspace).find(|record| record.id == id)
    }

    /// Returns the default account of a workspace. The only account of a workspace is its default.
    pub fn default_account(&self, workspace: WorkspaceId) -> Option<&Arc<AccountRecord>> {
        if let Some(default) = self.accounts_of(workspace).find(|record| record.account.is_default) {
            return Some(default);
        }
        let mut accounts = self.accounts_of(workspace);
        let only = accounts.next()?;
        accounts.next().is_none().then_some(only)
    }
}
