//! Message templates: cache, lookup at Meta, synchronization; creation, changes and deletion at Meta.

pub mod cache;
mod error;
pub(crate) mod lookup;
mod sync;

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::accounts::account::Account;
use domain::id::TemplateId;
use domain::json::Value;
use domain::templates::{LibraryDraft, NewTemplate, Template, TemplateDraft, TemplateEdit, TemplateStatus};

pub use self::error::TemplateError;
use self::sync::fetch_all_templates;
pub(crate) use self::sync::sync_due_templates;
pub use self::sync::sync_templates;
use crate::ports::{
    AccountRecord, ListedTemplate, StoreError, StoreErrorKind, StoredTemplate, TemplateDeletion,
    TemplateQuery, TemplateSync, TemplateSyncScope, UpstreamError,
};
use crate::{AuditContext, Deps, directory, side_effects};

/// Detail of an audit entry: name of the template in Meta's library from which a template was created.
const LIBRARY_TEMPLATE_NAME: &str = "library_template_name";

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
    side_effects::record();
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
    side_effects::record();
    let query = TemplateQuery { name: Some(draft.name.clone()), after: None };
    let missing = || UpstreamError::Unreachable("meta does not list the new template".to_owned());
    let listed = fetch_all_templates(deps, record, query).await.and_then(|fetched| {
        fetched.listed.into_iter().find(|listed| listed.meta_id == submitted.meta_id).ok_or_else(missing)
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
        scope: TemplateSyncScope::Listed,
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
