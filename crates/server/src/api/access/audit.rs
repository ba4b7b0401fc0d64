//! List the entries of the audit log.

use crate::api::access::serialize::AUDIT_ENTRY_EXAMPLE;
use crate::api::openapi::operation::Operation;
use domain::check::RequestSchema;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use domain::access::audit::AuditAction;
use domain::check::Fields;
use engine::Deps;
use engine::ports::AuditFilter;

use crate::api::access::serialize::serialize_audit_entry;
use crate::api::error::{ApiError, Code};
use crate::api::field::time;
use crate::api::pagination::PageQuery;
use crate::api::request_body;
use crate::api::request_context::Authorized;

/// Lists the entries, newest first. A key that has access to some accounts only cannot read the log, which covers all
/// accounts.
pub(crate) async fn list_audit_entries(
    State(deps): State<Arc<Deps>>,
    Authorized(caller): Authorized,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    if !caller.has_workspace_access(&deps) {
        let message = "The audit log covers the whole workspace, and this API key has no access to some of its accounts.";
        return Err(ApiError::new(Code::Forbidden, message));
    }
    let query = request_body::query(query.as_deref())?;
    let (filter, page) = request_body::read(&query, read_list)?;
    let page = page.open(&deps, &caller)?;
    let found =
        page.read(deps.audit_log.list_audit_entries(caller.workspace(), &filter, page.request())).await?;
    page.respond(found, serialize_audit_entry)
}

/// Reads the query of the audit log.
pub(crate) fn read_list(fields: &Fields<'_, '_>) -> (AuditFilter, PageQuery) {
    let actions: Vec<_> = AuditAction::ALL.iter().map(|action| (action.as_str(), *action)).collect();
    let text = |name, about| fields.optional(name).about(about).string(1..=512).map(str::to_owned);
    let filter = AuditFilter {
        actor: text("actor", "ID or name of the user or key that made the change."),
        action: fields.optional("action").about("Action.").choice(&actions),
        subject: text("subject", "ID or name of the changed object."),
        since: time(fields.optional("since").about("Earliest time, inclusive.")),
        until: time(fields.optional("until").about("Latest time, exclusive.")),
        search: text("search", "Part of a name."),
    };
    (filter, PageQuery::read("audit", fields))
}

/// Describes the operation of this file.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation::new(
            "list_audit_entries",
            "List audit log entries",
            "Lists the administrative changes, newest first.",
        )
        .query(RequestSchema::of_query(read_list))
        .responds_page("audit", "AuditEntry", AUDIT_ENTRY_EXAMPLE),
    ]
}
