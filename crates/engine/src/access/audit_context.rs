//! On whose behalf something is done: what the audit log says of an administrative act.

use std::net::IpAddr;
use std::sync::Arc;

use domain::access::audit::{Actor, ActorKind, AuditAction, AuditEntry, AuditTarget};
use domain::id::{AuditEntryId, WorkspaceId};
use domain::json::Object;

use crate::Deps;

/// Who acts, and from where.
#[derive(Clone, Debug)]
pub struct AuditContext {
    /// Who.
    pub actor: Actor,
    /// The client's address.
    pub client: Option<IpAddr>,
    /// The `X-Request-Id` of the call.
    pub request_id: Option<Arc<str>>,
}

impl AuditContext {
    /// Somebody at the command line of this machine.
    pub fn command_line() -> Self {
        Self::nobody(ActorKind::CommandLine, "waypost")
    }

    /// The gateway itself.
    pub fn gateway() -> Self {
        Self::nobody(ActorKind::Gateway, "waypost")
    }

    fn nobody(kind: ActorKind, name: &str) -> Self {
        let actor = Actor { kind, id: None, name: name.to_owned() };
        Self { actor, client: None, request_id: None }
    }

    /// The entry for something that is done now: hand it to the store's method that does it.
    pub fn entry(
        &self,
        deps: &Deps,
        workspace: WorkspaceId,
        action: AuditAction,
        subject: AuditTarget,
    ) -> AuditEntry {
        AuditEntry {
            id: deps.new_id(AuditEntryId::from_parts),
            workspace,
            at: deps.now(),
            actor: self.actor.clone(),
            action,
            subject,
            client: self.client,
            request_id: self.request_id.as_deref().map(str::to_owned),
            details: Object::new(),
        }
    }
}
