//! Lookup of templates that a caller has access to.

use std::sync::Arc;

use engine::Deps;
use engine::access::caller::Caller;
use engine::ports::{AccountRecord, PageRequest, PageStart, StoredTemplate, TemplateFilter};

use crate::api::error::{ApiError, Code};

/// Description of the id of a template in a path.
pub(crate) const TEMPLATE_ID: &str = "Waypost's ID of the template.";

/// The WhatsApp Business Accounts of which the key may see anything; `None`: all.
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

pub(crate) fn not_found(id: &str) -> ApiError {
    ApiError::new(Code::TemplateNotFound, format!("There is no template `{id}`."))
}

/// The template with this id of ours, if the key may see it.
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

/// An account through which the template can be changed.
pub(crate) fn owner(
    deps: &Deps,
    caller: &Caller,
    stored: &StoredTemplate,
) -> Result<Arc<AccountRecord>, ApiError> {
    let directory = deps.directory.current();
    let owner = directory
        .accounts_of(caller.workspace())
        .filter(|record| record.account.waba_id == stored.waba_id)
        .find(|record| caller.can_use_account(&record.account));
    owner.cloned().ok_or_else(|| {
        let message = format!("No account belongs to the WhatsApp Business Account {}.", stored.waba_id);
        ApiError::new(Code::AccountNotFound, message)
    })
}
