//! The audit log.

use crate::api::access::audit::read_list;
use domain::access::audit::{ActorKind, AuditAction, AuditTargetKind};
use domain::check::RequestSchema;

use crate::api::openapi::operation::Operation;
use crate::api::openapi::schema::{Schema, any_object, id, need, shown, text, time, word};

/// The routes.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_audit_entries",
            "List audit log entries",
            "Lists the administrative changes, newest first.",
        )
        .reads_query(RequestSchema::of_query(read_list))
        .lists("audit", "AuditEntry", SHOWN),
    ]
}

/// The shapes by name.
pub(crate) fn schemas() -> Vec<(&'static str, Schema)> {
    let actor = shown([
        need("kind", word(ActorKind::ALL.iter().map(|kind| kind.as_str()))),
        need("id", text(1..).or_null()),
        need("name", text(..)),
    ]);
    let subject = shown([
        need("kind", word(AuditTargetKind::ALL.iter().map(|kind| kind.as_str()))),
        need("id", text(1..)),
        need("name", text(..).or_null()),
    ]);
    let entry = shown([
        need("id", id()),
        need("at", time()),
        need("actor", actor),
        need("action", word(AuditAction::ALL.iter().map(|action| action.as_str()))),
        need("subject", subject),
        need("client_address", text(1..).or_null().about("IP address of the caller.")),
        need("request_id", text(1..).or_null()),
        need("details", any_object().about("New settings. Secrets are left out.")),
    ]);
    vec![("AuditEntry", entry)]
}

const SHOWN: &str = r#"{"id":"01a2b3c4-0000-7000-8000-00000000000c","at":"2026-05-29T10:30:00Z",
    "actor":{"kind":"user","id":"01a2b3c4-0000-7000-8000-000000000006","name":"ada@example.com"},
    "action":"webhook.create","subject":{"kind":"webhook","id":"01a2b3c4-0000-7000-8000-000000000007","name":"shop"},
    "client_address":"203.0.113.7","request_id":"01a2b3c4-0000-7000-8000-0000000000ff","details":{}}"#;
