//! Workspaces: tenants whose data is separate.

use domain::access::audit::{AuditAction, AuditTarget, AuditTargetKind};
use domain::id::WorkspaceId;

use crate::ports::StoreError;
use crate::{AuditContext, Deps, directory};

/// Creates a workspace.
///
/// # Errors
/// `Conflict` if another workspace has the name.
pub async fn create_workspace(
    deps: &Deps,
    audit: &AuditContext,
    name: &str,
) -> Result<WorkspaceId, StoreError> {
    let id = deps.new_id(WorkspaceId::from_parts);
    let entry = audit.entry(
        deps,
        id,
        AuditAction::WorkspaceAdded,
        AuditTarget::named(AuditTargetKind::Workspace, &id, name),
    );
    deps.accounts.insert_workspace(id, name, entry).await?;
    directory::refresh(deps).await?;
    Ok(id)
}
