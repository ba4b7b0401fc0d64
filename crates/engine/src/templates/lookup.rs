//! Templates for sends: as the store remembers them, and lookups at Meta when a remembered template would refuse a send.

use std::sync::Arc;

use domain::check::nearest_names;

use super::cache::{cache_key, lookup_key};
use super::error::TemplateError;
use super::sync::{fetch_all_templates, listed_if_written_before, store_listed};
use crate::ports::{
    AccountRecord, StoreError, StoredTemplate, TemplateNames, TemplateQuery, TemplateSyncScope,
};
use crate::{Deps, directory};

/// Maximum number of similar names in an error.
const MAX_SIMILAR_NAMES: usize = 5;

/// Returns the template with this name and language of the account's WhatsApp Business Account, as the store remembers
/// it.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn get_template(
    deps: &Deps,
    record: &AccountRecord,
    name: &str,
    language: &str,
) -> Result<Option<Arc<StoredTemplate>>, StoreError> {
    let account = &record.account;
    let key = cache_key(account.workspace, &account.waba_id, name, language);
    if let Some(template) = deps.templates.get(&key) {
        return Ok(Some(template));
    }
    let revision = deps.templates.revision();
    let found = deps
        .template_records
        .get_template(account.workspace, &account.waba_id, name, language)
        .await?
        .map(Arc::new);
    if let Some(template) = &found {
        deps.templates.insert(revision, key, template.clone());
    }
    Ok(found)
}

/// Looks up all languages of a template name at Meta, and writes them to the store, unless Meta was asked less than 60
/// seconds ago. Concurrent calls share one lookup. `is_known` is `true` if the store has the template of the send.
///
/// # Errors
/// The store cannot be read or written, or Meta refused the call or could not be reached. A failed lookup of a known
/// template is not repeated for 60 seconds either.
pub(crate) async fn look_up_template(
    deps: &Deps,
    record: &AccountRecord,
    name: &str,
    is_known: bool,
) -> Result<(), TemplateError> {
    let account = &record.account;
    let key = lookup_key(account.workspace, &account.waba_id, name);
    let before = deps.templates.finished_lookup(&key);
    if let Some(last) = &before
        && last.is_sufficient(before.as_ref(), is_known, deps.now())
    {
        return Ok(last.clone().result()?);
    }
    let lock = deps.templates.lookup_lock(&key);
    let _guard = lock.lock().await;
    let last = deps.templates.finished_lookup(&key);
    if let Some(last) = last.filter(|last| last.is_sufficient(before.as_ref(), is_known, deps.now())) {
        return Ok(last.result()?);
    }
    if let Some(limit) = deps.templates.rate_limit(&(account.workspace, account.waba_id.clone()), deps.now())
    {
        return Err(limit.into());
    }
    let written_before = listed_if_written_before(deps);
    let query = TemplateQuery { name: Some(name.to_owned()), after: None };
    let mut fetched = match fetch_all_templates(deps, record, query).await {
        Ok(fetched) => fetched,
        Err(error) => {
            tracing::debug!(%error, account.id = %account.id, "could not look up a template at meta");
            deps.templates.record_lookup(key, Some(error.clone()), deps.now());
            return Err(error.into());
        }
    };
    // Meta also returns templates whose name only contains the requested name.
    fetched.listed.retain(|listed| listed.template.name == name);
    let names = deps.template_records.list_template_names(account.workspace, &account.waba_id, name).await?;
    // A name that neither Meta nor the store has causes no write.
    if !(fetched.listed.is_empty() && names.languages.is_empty()) {
        let scope = fetched.scope(TemplateSyncScope::Name { name: name.to_owned(), written_before });
        store_listed(deps, record, fetched.listed, scope, None).await?;
        directory::refresh(deps).await?;
    }
    deps.templates.record_lookup(key, None, deps.now());
    Ok(())
}

/// Returns the languages of a template name, and similar names of the account's WhatsApp Business Account.
///
/// # Errors
/// The store cannot be read.
pub(crate) async fn list_alternatives(
    deps: &Deps,
    record: &AccountRecord,
    name: &str,
) -> Result<TemplateNames, StoreError> {
    let account = &record.account;
    let TemplateNames { languages, names } =
        deps.template_records.list_template_names(account.workspace, &account.waba_id, name).await?;
    let others = names.iter().map(String::as_str).filter(|other| *other != name);
    let similar = nearest_names(name, others, MAX_SIMILAR_NAMES);
    Ok(TemplateNames { languages, names: similar.into_iter().map(str::to_owned).collect() })
}
