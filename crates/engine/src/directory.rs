//! The accounts and keys, as last read: a send asks memory, not the database.
//!
//! What another process changes is seen within [`REFRESH_EVERY`]; what this one changes, at once.

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use domain::access::api_key::{ApiKey, KeyDigest};
use domain::id::{AccountId, WebhookId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};

use crate::ports::{AccountRecord, Directory, StoreError, WebhookEndpoint};
use crate::{Deps, chain};

/// How often changes of other processes are looked for. Revocation has a second.
pub const REFRESH_EVERY: SignedDuration = SignedDuration::from_millis(500);
/// How often an unknown key may make us look again: strangers with wrong keys shall not keep the store busy.
const LOOK_AGAIN_EVERY: SignedDuration = SignedDuration::from_millis(50);

/// Remembers the directory.
#[derive(Default)]
pub struct DirectoryCache {
    current: RwLock<Arc<Directory>>,
    looked_again_at: Mutex<Option<Timestamp>>,
}

impl DirectoryCache {
    /// The directory as last read.
    pub fn current(&self) -> Arc<Directory> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers what was read, unless somebody has read what is newer meanwhile: a key that was revoked stays so.
    fn replace(&self, directory: Directory) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.revision.directory <= directory.revision.directory {
            *current = Arc::new(directory);
        }
    }
}

/// Reads the directory again if it has changed, and forgets the templates if they have.
///
/// # Errors
/// When the store cannot be read; what was read before stays.
pub async fn refresh(deps: &Deps) -> Result<(), StoreError> {
    let revision = deps.accounts.get_revision().await?;
    deps.templates.keep_until(revision.templates);
    if deps.directory.current().revision.directory != revision.directory {
        deps.directory.replace(deps.accounts.get_directory().await?);
    }
    Ok(())
}

/// Looks again because something was not there: another process may just have added it. Does nothing if somebody else
/// looked a moment ago, or the store cannot be read.
pub async fn look_again(deps: &Deps) {
    let now = deps.now();
    {
        let mut looked = deps.directory.looked_again_at.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.is_some_and(|at| now.duration_since(at) < LOOK_AGAIN_EVERY && at <= now) {
            return;
        }
        *looked = Some(now);
    }
    if let Err(error) = refresh(deps).await {
        tracing::warn!(error = %chain(&error), "the accounts and keys could not be read again");
    }
}

impl Directory {
    /// The key with this digest.
    pub fn key(&self, digest: &KeyDigest) -> Option<&Arc<ApiKey>> {
        self.keys.get(digest)
    }

    /// The workspace with this name.
    pub fn workspace(&self, name: &str) -> Option<WorkspaceId> {
        self.workspaces.iter().find(|(_, other)| *other == name).map(|(id, _)| *id)
    }

    /// The accounts of a workspace, oldest first.
    pub fn accounts_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<AccountRecord>> {
        self.accounts.iter().filter(move |record| record.account.workspace == workspace)
    }

    /// The account of this workspace with this id or name.
    pub fn account(&self, workspace: WorkspaceId, id_or_name: &str) -> Option<&Arc<AccountRecord>> {
        let id = id_or_name.parse::<AccountId>().ok();
        self.accounts_of(workspace)
            .find(|record| Some(record.account.id) == id)
            .or_else(|| self.accounts_of(workspace).find(|record| record.account.name == id_or_name))
    }

    /// The endpoints of a workspace, oldest first.
    pub fn webhooks_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = &Arc<WebhookEndpoint>> {
        self.webhooks.iter().filter(move |record| record.workspace == workspace)
    }

    /// The endpoint of this workspace with this id.
    pub fn webhook(&self, workspace: WorkspaceId, id: WebhookId) -> Option<&Arc<WebhookEndpoint>> {
        self.webhooks_of(workspace).find(|record| record.id == id)
    }

    /// The default outgoing account of this workspace; its only one is the default, too.
    pub fn default_account(&self, workspace: WorkspaceId) -> Option<&Arc<AccountRecord>> {
        if let Some(default) = self.accounts_of(workspace).find(|record| record.account.is_default) {
            return Some(default);
        }
        let mut accounts = self.accounts_of(workspace);
        let only = accounts.next()?;
        accounts.next().is_none().then_some(only)
    }
}
