//! The audit log.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::access::audit::AuditAction;
use engine::Deps;
use engine::ports::AuditFilter;

use crate::api::access::serialize::serialize_audit_entry;
use crate::api::error::{ApiError, Code};
use crate::api::field::time;
use crate::api::request_context::Authorized;
use crate::api::{pagination, request_body};

/// Lists who did what, newest first. Keys of some accounts see nothing of it: most of it is others'.
pub(crate) async fn list_audit_entries(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    if !caller.is_of_whole_workspace(&deps) {
        let message = "The audit log covers the whole workspace, and this API key has no access to some of its accounts.";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    let query = request_body::query(query.as_deref())?;
    let (filter, page) = request_body::read(&query, |fields| {
        let actions: Vec<_> = AuditAction::ALL.iter().map(|action| (action.as_str(), *action)).collect();
        let text = |name| fields.optional(name).string(1..=512).map(str::to_owned);
        let filter = AuditFilter {
            actor: text("actor"),
            action: fields.optional("action").choice(&actions),
            subject: text("subject"),
            from: time(fields.optional("since")),
            to: time(fields.optional("until")),
            search: text("search"),
        };
        (filter, pagination::page_request("audit", fields))
    })?;
    let found = deps.audit_log.list_audit_entries(caller.workspace(), &filter, page).await?;
    Ok(pagination::page("audit", page, found, serialize_audit_entry))
}
