//! Audit entries of accounts.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::accounts::account::Account;

use crate::{AuditContext, Deps};

/// Creates an audit entry about an account.
pub(super) fn audit_entry(
    deps: &Deps,
    audit: &AuditContext,
    account: &Account,
    action: AuditAction,
) -> AuditEntry {
    let target = AuditTarget::named(AuditTargetKind::Account, &account.id, account.name.as_str());
    audit.entry(deps, account.workspace, action, target)
}
