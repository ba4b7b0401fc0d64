//! Directory of workspaces, accounts, webhook endpoints and API keys in memory: a send does not read them from the store.
//!
//! Changes of this process take effect at once, changes of other processes within [`REFRESH_INTERVAL`].

pub mod cache;

use std::sync::PoisonError;

use jiff::SignedDuration;

use crate::ports::StoreError;
use crate::{Deps, chain};

/// Interval at which the directory is refreshed. The revocation of a key must take effect within one second.
pub const REFRESH_INTERVAL: SignedDuration = SignedDuration::from_millis(500);
/// Minimum time between two calls of [`refresh_now`] that read the store: requests with invalid keys must not load the
/// store.
const MIN_REFRESH_INTERVAL: SignedDuration = SignedDuration::from_millis(50);

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
/// if the last call was less than `MIN_REFRESH_INTERVAL` ago, or the store cannot be read.
pub async fn refresh_now(deps: &Deps) {
    let now = deps.now();
    {
        let mut refreshed_at = deps.directory.refreshed_at.lock().unwrap_or_else(PoisonError::into_inner);
        if refreshed_at.is_some_and(|at| now.duration_since(at) < MIN_REFRESH_INTERVAL && at <= now) {
            return;
        }
        *refreshed_at = Some(now);
    }
    if let Err(error) = refresh(deps).await
        && let Some(n_skipped) = deps.sampled_log.admit("directory_refresh", deps.now())
    {
        tracing::warn!(error = %chain(&error), n_skipped, "could not refresh accounts and API keys");
    }
}
