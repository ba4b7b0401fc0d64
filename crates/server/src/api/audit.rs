//! The audit log.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::access::audit::AuditAction;
use engine::Deps;
use engine::ports::AuditFilter;

use super::messages::time;
use super::visit::Allowed;
use super::{ApiError, Code, body, list, show};

/// Lists who did what, newest first. Keys of some accounts see nothing of it: most of it is others'.
pub(crate) async fn list_acts(
    State(deps): State<Arc<Deps>>,
    Allowed(caller): Allowed,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    if !caller.is_of_whole_workspace(&deps) {
        let message =
            "The audit log belongs to the whole workspace: this API key may use some of its accounts only.";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    let query = body::query(query.as_deref())?;
    let (filter, page) = body::read(&query, |fields| {
        let actions: Vec<_> = AuditAction::ALL.iter().map(|action| (action.as_str(), *action)).collect();
        let text = |name| fields.optional(name).string(1..=512).map(str::to_owned);
        let filter = AuditFilter {
            actor: text("actor"),
            action: fields.optional("action").choice(&actions),
            subject: text("subject"),
            from: time(fields.optional("from")),
            to: time(fields.optional("to")),
            search: text("search"),
        };
        (filter, list::page_request("audit", fields))
    })?;
    let found = deps.access.list_audit_entries(caller.workspace(), &filter, page).await?;
    Ok(list::page("audit", page, found, show::act))
}
