//! Lookup of webhook endpoints that a caller has access to.

use std::sync::Arc;

use domain::id::AccountId;
use domain::webhooks_out::delivery::WebhookStatus;
use engine::Deps;
use engine::access::caller::Caller;
use engine::ports::WebhookEndpoint;

use crate::api::error::{ApiError, Code};

/// Description of the id of a webhook in a path.
pub(crate) const WEBHOOK_ID: &str = "ID of the webhook.";

/// Checks that an endpoint is enabled.
pub(crate) fn require_enabled(record: &WebhookEndpoint) -> Result<(), ApiError> {
    if record.shown_status() == WebhookStatus::Disabled {
        let message = "This webhook is disabled and receives no events. Enable it first: `PUT` with `\"enabled\":true`.";
        return Err(ApiError::new(Code::WebhookDisabled, message));
    }
    Ok(())
}

/// The error of an unknown endpoint.
pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::WebhookNotFound, format!("There is no webhook `{id}`."))
}

/// Returns an endpoint that the caller has access to.
pub(crate) fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<Arc<WebhookEndpoint>, ApiError> {
    let parsed = id.parse().map_err(|_| not_found(id))?;
    let directory = deps.directory.current();
    let found = directory.webhook(caller.workspace(), parsed).cloned();
    found.filter(|record| covers(deps, caller, &record.accounts)).ok_or_else(|| not_found(id))
}

/// `true` if a caller has access to all accounts of an endpoint. An empty list means all accounts of the workspace.
pub(crate) fn covers(deps: &Deps, caller: &Caller, accounts: &[AccountId]) -> bool {
    let Some(visible) = caller.visible_accounts(deps) else { return true };
    !accounts.is_empty() && accounts.iter().all(|account| visible.contains(account))
}
