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

pub(crate) fn refuse_disabled(record: &WebhookEndpoint) -> Result<(), ApiError> {
    if record.shown_status() == WebhookStatus::Disabled {
        let message = "This webhook is disabled and receives no events. Enable it first: `PUT` with `\"enabled\":true`.";
        return Err(ApiError::new(Code::WebhookDisabled, message));
    }
    Ok(())
}

pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::WebhookNotFound, format!("There is no webhook `{id}`."))
}

pub(crate) fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<Arc<WebhookEndpoint>, ApiError> {
    let parsed = id.parse().map_err(|_| not_found(id))?;
    let directory = deps.directory.current();
    let found = directory.webhook(caller.workspace(), parsed).cloned();
    found.filter(|record| covers(deps, caller, &record.accounts)).ok_or_else(|| not_found(id))
}

/// Whether a caller may see all that an endpoint of these accounts hears: who sees some accounts only has nothing to do
/// with an endpoint that hears of others.
pub(crate) fn covers(deps: &Deps, caller: &Caller, accounts: &[AccountId]) -> bool {
    let Some(visible) = caller.visible_accounts(deps) else { return true };
    !accounts.is_empty() && accounts.iter().all(|account| visible.contains(account))
}
