//! Actor and origin of an administrative action, as the audit log records them.

use std::net::IpAddr;
use std::sync::Arc;

use domain::access::audit::{Actor, ActorKind, AuditAction, AuditEntry, AuditTarget};
use domain::access::user::User;
use domain::id::{AuditEntryId, WorkspaceId};
use domain::json::Object;

use crate::deps::Deps;

/// Actor, client address and request of an administrative action.
#[derive(Clone, Debug)]
pub struct AuditContext {
    /// Actor.
    pub actor: Actor,
    /// Client address of the request.
    pub client: Option<IpAddr>,
    /// `X-Request-Id` of the request.
    pub request_id: Option<Arc<str>>,
}

impl AuditContext {
    /// Returns the context of a command of the command line.
    pub fn command_line() -> Self {
        Self::without_request(ActorKind::CommandLine, "waypost")
    }

    /// Returns the context of an action that the gateway takes by itself.
    pub fn gateway() -> Self {
        Self::without_request(ActorKind::Gateway, "waypost")
    }

    fn without_request(kind: ActorKind, name: &str) -> Self {
        let actor = Actor { kind, id: None, name: name.to_owned() };
        Self { actor, client: None, request_id: None }
    }

    /// Creates an audit entry with the current time. The store method that makes the change writes the entry in the same
    /// transaction.
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

/// Returns a user as the actor of an audit entry.
pub(super) fn user_actor(user: &User) -> Actor {
    Actor { kind: ActorKind::User, id: Some(user.id.to_string()), name: user.email.to_string() }
}
