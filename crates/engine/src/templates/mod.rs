//! Message templates: cache, lookup at Meta, synchronization; creation, changes and deletion at Meta.

pub mod cache;

use std::sync::Arc;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::accounts::account::Account;
use domain::id::TemplateId;
use domain::json::Value;
use domain::templates::{LibraryDraft, NewTemplate, Template, TemplateDraft, TemplateEdit, TemplateStatus};

use self::cache::{CacheKey, cache_key};
use crate::ports::{
    AccountCredentials, AccountRecord, ListedTemplate, StoreError, StoreErrorKind, StoredTemplate,
    TemplateDeletion, TemplateQuery, TemplateSync, TemplateSyncCounts, UpstreamError,
};
use crate::{AuditContext, Deps, directory};

/// Maximum number of pages of Meta's list that are read. A page has 100 templates, and Meta allows 6,000 templates.
const MAX_PAGES: usize = 200;
/// Detail of an audit entry: name of the template in Meta's library from which a template was created.
const LIBRARY_TEMPLATE_NAME: &str = "library_template_name";

/// Error of an operation on templates.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Meta refused the call or could not be reached.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// Returns the template with this name and language of the account's WhatsApp Business Account.
///
/// If the store does not have the template, it is looked up at Meta. A template that Meta does not have either is not
/// looked up again for 60 seconds.
///
/// # Errors
/// The store cannot be read, or Meta refused the call or could not be reached.
pub async fn resolve_template(
    deps: &Deps,
    record: &AccountRecord,
    name: &str,
    language: &str,
) -> Result<Option<Arc<StoredTemplate>>, TemplateError> {
    let account = &record.account;
    let key = cache_key(account.workspace, &account.waba_id, name, language);
    if let Some(template) = deps.templates.get(&key) {
        return Ok(Some(template));
    }
    if deps.templates.is_missing(&key, deps.now()) {
        return Ok(None);
    }
    if let Some(template) = read_template(deps, record, &key, name, language).await? {
        return Ok(Some(template));
    }
    let lock = deps.templates.lookup_lock(&key);
    let _guard = lock.lock().await;
    // A concurrent call may have looked up the template while this call waited for the lock.
    if deps.templates.is_missing(&key, deps.now()) {
        return Ok(None);
    }
    if let Some(template) = read_template(deps, record, &key, name, language).await? {
        return Ok(Some(template));
    }
    let query = TemplateQuery { name: Some(name.to_owned()), after: None };
    let listed = fetch_all_templates(deps, &record.credentials(), query).await?;
    // Meta also returns templates whose name only contains the requested name.
    let listed: Vec<_> = listed.into_iter().filter(|listed| listed.template.name == name).collect();
    if !listed.is_empty() {
        store_listed(deps, record, listed, None).await?;
        directory::refresh(deps).await?;
    }
    let found = read_template(deps, record, &key, name, language).await?;
    if found.is_none() {
        deps.templates.insert_missing(key, deps.now());
    }
    Ok(found)
}

/// Reads a template from the store, and inserts it into the cache.
async fn read_template(
    deps: &Deps,
    record: &AccountRecord,
    key: &CacheKey,
    name: &str,
    language: &str,
) -> Result<Option<Arc<StoredTemplate>>, StoreError> {
    let revision = deps.templates.revision();
    let account = &record.account;
    let found = deps
        .template_records
        .get_template(account.workspace, &account.waba_id, name, language)
        .await?
        .map(Arc::new);
    if let Some(template) = &found {
        deps.templates.insert(revision, key.clone(), template.clone());
    }
    Ok(found)
}

/// Fetches all pages of Meta's list.
async fn fetch_all_templates(
    deps: &Deps,
    credentials: &AccountCredentials,
    mut query: TemplateQuery,
) -> Result<Vec<ListedTemplate>, UpstreamError> {
    let mut listed = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = deps.upstream.fetch_templates(credentials, &query).await?;
        listed.extend(page.templates);
        match page.after {
            Some(after) if query.after.as_ref() != Some(&after) => query.after = Some(after),
            Some(_) | None => return Ok(listed),
        }
    }
    Err(UpstreamError::Unreachable(format!("the list of templates has more than {MAX_PAGES} pages")))
}

/// Writes listed templates to the store. With the audit entry of a synchronization, the list is complete, and templates
/// that are not in it are deleted.
async fn store_listed(
    deps: &Deps,
    record: &AccountRecord,
    listed: Vec<ListedTemplate>,
    sync: Option<AuditEntry>,
) -> Result<TemplateSyncCounts, StoreError> {
    let templates = listed.into_iter().map(|listed| (deps.new_id(TemplateId::from_parts), listed)).collect();
    let account = &record.account;
    deps.template_records
        .sync_templates(TemplateSync {
            workspace: account.workspace,
            waba_id: account.waba_id.clone(),
            templates,
            is_complete: sync.is_some(),
            now: deps.now(),
            entry: sync,
        })
        .await
}

/// Synchronizes the templates of the account's WhatsApp Business Account with Meta's list.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written. Nothing has changed.
pub async fn sync_templates(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
) -> Result<TemplateSyncCounts, TemplateError> {
    let listed = fetch_all_templates(deps, &record.credentials(), TemplateQuery::default()).await?;
    let account = &record.account;
    let subject = AuditTarget {
        kind: AuditTargetKind::Waba,
        id: account.waba_id.clone(),
        name: Some(account.name.clone()),
    };
    let entry = audit
        .entry(deps, account.workspace, AuditAction::TemplatesSynced, subject)
        .with("listed", i64::try_from(listed.len()).unwrap_or(i64::MAX));
    let counts = store_listed(deps, record, listed, Some(entry)).await?;
    directory::refresh(deps).await?;
    Ok(counts)
}

/// Submits a template to Meta, and stores it with the status that Meta returns. Returns `None` if the template was deleted
/// in the meantime.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written.
pub async fn create_template(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    new: &NewTemplate,
) -> Result<Option<StoredTemplate>, TemplateError> {
    match new {
        NewTemplate::Own(draft) => create_own(deps, audit, record, draft).await,
        NewTemplate::FromLibrary(draft) => create_from_library(deps, audit, record, draft).await,
    }
}

async fn create_own(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    draft: &TemplateDraft,
) -> Result<Option<StoredTemplate>, TemplateError> {
    let body = json_text(&draft.body())?;
    let submitted = deps.upstream_admin.create_template(&record.credentials(), body).await?;
    let category = submitted.category.unwrap_or_else(|| draft.category.clone());
    let listed = ListedTemplate {
        meta_id: submitted.meta_id,
        template: draft.template(submitted.status, category),
        components: json_text(&draft.components)?,
        quality: None,
        rejected_reason: None,
    };
    store_created(deps, audit, record, CreatedTemplate { listed, library_name: None }).await
}

/// Creates a template from Meta's library. Meta composes its text, therefore the template is read from Meta afterwards.
async fn create_from_library(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    draft: &LibraryDraft,
) -> Result<Option<StoredTemplate>, TemplateError> {
    let credentials = record.credentials();
    let submitted = deps.upstream_admin.create_template(&credentials, json_text(&draft.body())?).await?;
    let query = TemplateQuery { name: Some(draft.name.clone()), after: None };
    let missing = || UpstreamError::Unreachable("meta does not list the new template".to_owned());
    let listed = fetch_all_templates(deps, &credentials, query).await.and_then(|listed| {
        listed.into_iter().find(|listed| listed.meta_id == submitted.meta_id).ok_or_else(missing)
    });
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            // The template exists at Meta. The next synchronization or the first send stores it.
            let name = format!("{} ({})", draft.name, draft.language);
            let subject =
                AuditTarget { kind: AuditTargetKind::Template, id: submitted.meta_id, name: Some(name) };
            let entry = audit
                .entry(deps, record.account.workspace, AuditAction::TemplateAdded, subject)
                .with(LIBRARY_TEMPLATE_NAME, draft.library_name.as_str());
            deps.audit_log.insert_audit_entry(entry).await?;
            return Err(error.into());
        }
    };
    let created = CreatedTemplate { listed, library_name: Some(&draft.library_name) };
    store_created(deps, audit, record, created).await
}

/// Template that was created at Meta.
struct CreatedTemplate<'a> {
    listed: ListedTemplate,
    /// Name of the template in Meta's library from which the template was created.
    library_name: Option<&'a str>,
}

/// Stores a template that was created at Meta, with an audit entry.
async fn store_created(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    CreatedTemplate { listed, library_name }: CreatedTemplate<'_>,
) -> Result<Option<StoredTemplate>, TemplateError> {
    let (name, language) = (listed.template.name.clone(), listed.template.language.clone());
    let Account { workspace, waba_id, .. } = &record.account;
    // The store may still have a template that was deleted at Meta. The new template gets its identifier.
    let known = deps.template_records.get_template(*workspace, waba_id, &name, &language).await?;
    let id = known.map_or_else(|| deps.new_id(TemplateId::from_parts), |known| known.id);
    let target = audit_target(id, &listed.template);
    let mut entry = audit.entry(deps, *workspace, AuditAction::TemplateAdded, target);
    if let Some(library_name) = library_name {
        entry = entry.with(LIBRARY_TEMPLATE_NAME, library_name);
    }
    store_template(deps, waba_id, id, listed, entry).await?;
    Ok(deps.template_records.get_template(*workspace, waba_id, &name, &language).await?)
}

/// Changes a template at Meta. Meta reviews the template again.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written.
pub async fn update_template(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    before: &StoredTemplate,
    edit: &TemplateEdit,
) -> Result<Option<StoredTemplate>, TemplateError> {
    let mut listed = before.listed.clone();
    deps.upstream_admin
        .edit_template(&record.credentials(), &listed.meta_id, json_text(&edit.body())?)
        .await?;
    if let Some(category) = &edit.category {
        listed.template.category = category.clone();
    }
    if let Some(components) = &edit.components {
        listed.components = json_text(components)?;
        let Template { parameter_format, category, .. } = &listed.template;
        listed.template.components = Template::components_from(components, *parameter_format, category);
    }
    listed.template.status = TemplateStatus::Pending;
    listed.rejected_reason = None;
    let (name, language) = (listed.template.name.clone(), listed.template.language.clone());
    let workspace = record.account.workspace;
    let target = audit_target(before.id, &listed.template);
    let entry = audit.entry(deps, workspace, AuditAction::TemplateChanged, target);
    store_template(deps, &before.waba_id, before.id, listed, entry).await?;
    Ok(deps.template_records.get_template(workspace, &before.waba_id, &name, &language).await?)
}

/// Deletes a template at Meta and in the store: its language, or all languages of its name.
///
/// # Errors
/// Meta refused the call or could not be reached, or the store cannot be written.
pub async fn delete_template(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    stored: &StoredTemplate,
    is_every_language: bool,
) -> Result<(), TemplateError> {
    let template = &stored.listed.template;
    let meta_id = (!is_every_language).then_some(stored.listed.meta_id.as_str());
    deps.upstream_admin.delete_template(&record.credentials(), &template.name, meta_id).await?;
    let workspace = record.account.workspace;
    let deletion = TemplateDeletion {
        workspace,
        waba_id: stored.waba_id.clone(),
        name: template.name.clone(),
        language: (!is_every_language).then(|| template.language.clone()),
    };
    let entry = audit
        .entry(deps, workspace, AuditAction::TemplateRemoved, audit_target(stored.id, template))
        .with("all_languages", is_every_language);
    deps.template_records.delete_templates(deletion, entry).await?;
    directory::refresh(deps).await?;
    Ok(())
}

/// Returns a template as the target of an audit entry.
fn audit_target(id: TemplateId, template: &Template) -> AuditTarget {
    AuditTarget::named(AuditTargetKind::Template, &id, format!("{} ({})", template.name, template.language))
}

/// Writes one template to the store, in the workspace of the audit entry.
async fn store_template(
    deps: &Deps,
    waba_id: &str,
    id: TemplateId,
    listed: ListedTemplate,
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let sync = TemplateSync {
        workspace: entry.workspace,
        waba_id: waba_id.to_owned(),
        templates: vec![(id, listed)],
        is_complete: false,
        now: deps.now(),
        entry: Some(entry),
    };
    deps.template_records.sync_templates(sync).await?;
    directory::refresh(deps).await
}

fn json_text(value: &Value) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::new(StoreErrorKind::Bug, "writing a template as JSON", error))
}
