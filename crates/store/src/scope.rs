//! Workspace and account of a change.

use domain::id::{AccountId, WorkspaceId};

/// Workspace and account of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    pub(crate) workspace: WorkspaceId,
    pub(crate) account: AccountId,
}
