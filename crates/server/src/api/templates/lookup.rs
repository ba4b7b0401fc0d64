//! Lookup of templates that a caller has access to.

use std::sync::Arc;

use engine::Deps;
use engine::access::caller::Caller;
use engine::ports::{AccountRecord, PageRequest, PageStart, StoredTemplate, TemplateFilter};

use crate::api::error::{ApiError, Code};

/// Description of the id of a template in a path.
pub(crate) const TEMPLATE_ID: &str = "Waypost's ID of the template.";

/// Returns the WhatsApp Business Accounts that the caller has access to; `None` means all.
pub(crate) fn visible_wabas(deps: &Deps, caller: &Caller) -> Option<Vec<String>> {
    let visible = caller.visible_accounts(deps)?;
    let directory = deps.directory.current();
    let records = directory.accounts_of(caller.workspace());
    Some(
        records
            .filter(|record| visible.contains(&record.account.id))
            .map(|record| record.account.waba_id.clone())
            .collect(),
    )
}

/// The error of an unknown template.
pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::TemplateNotFound, format!("There is no template `{id}`."))
}

/// Returns the template with an id, if the caller has access to it.
pub(crate) async fn find(deps: &Deps, caller: &Caller, id: &str) -> Result<StoredTemplate, ApiError> {
    let filter = TemplateFilter {
        id: Some(id.parse().map_err(|_| not_found(id))?),
        waba_ids: visible_wabas(deps, caller),
        ..TemplateFilter::default()
    };
    let first = PageRequest { per_page: 1, start: PageStart::Page(1) };
    let found = deps.template_records.list_templates(caller.workspace(), &filter, first).await?;
    found.rows.into_iter().next().ok_or_else(|| not_found(id))
}

/// Returns an account with whose credentials the template can be changed.
pub(crate) fn owner(
    deps: &Deps,
    caller: &Caller,
    stored: &StoredTemplate,
) -> Result<Arc<AccountRecord>, ApiError> {
    let directory = deps.directory.current();
    let account = directory
        .accounts_of(caller.workspace())
        .filter(|record| record.account.waba_id == stored.waba_id)
        .find(|record| caller.can_use_account(&record.account));
    account.cloned().ok_or_else(|| {
        let message = format!("No account belongs to the WhatsApp Business Account {}.", stored.waba_id);
        ApiError::new(Code::AccountNotFound, message)
    })
}
