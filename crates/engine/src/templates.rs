//! Templates: remembered, looked up at Meta when unknown, synced; created, changed and deleted there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::id::{TemplateId, WorkspaceId};
use domain::json::Value;
use domain::templates::{LibraryDraft, NewTemplate, Template, TemplateDraft, TemplateEdit, TemplateStatus};
use jiff::{SignedDuration, Timestamp};

use crate::accounts::line;
use crate::ports::{
    AccountCredentials, AccountRecord, ListedTemplate, StoreError, StoreErrorKind, StoredTemplate,
    TemplateDeletion, TemplateQuery, TemplateSync, TemplateSyncCounts, UpstreamError,
};
use crate::{AuditContext, Deps, directory};

/// How long Meta's "there is no such template" is believed.
const MISSING_FOR: SignedDuration = SignedDuration::from_secs(60);
/// How many templates, and how many missing ones, are remembered.
const REMEMBERED: usize = 10_000;
/// How many pages of Meta's list are read at most: 100 templates each, and 6,000 are the most that Meta allows.
const MAX_PAGES: usize = 200;
/// Which template of Meta's library a new one was made from, in the audit log.
const FROM_LIBRARY: &str = "library_template_name";

/// Remembers templates and what is not one.
#[derive(Default)]
pub struct TemplateCache {
    known: Mutex<Known>,
    /// One look-up at Meta at a time for each template.
    asking: Mutex<BTreeMap<Identity, Arc<tokio::sync::Mutex<()>>>>,
}

#[derive(Default)]
struct Known {
    revision: i64,
    templates: BTreeMap<Identity, Arc<StoredTemplate>>,
    missing: BTreeMap<Identity, Timestamp>,
}

/// What identifies a template: workspace, WhatsApp Business Account, name, language.
type Identity = (WorkspaceId, String);

fn identity(workspace: WorkspaceId, waba_id: &str, name: &str, language: &str) -> Identity {
    (workspace, format!("{waba_id}/{name}/{language}"))
}

impl TemplateCache {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything if the store's templates have changed since.
    pub(crate) fn keep_until(&self, revision: i64) {
        let mut known = self.known();
        if known.revision != revision {
            *known = Known { revision, ..Known::default() };
        }
    }

    fn get(&self, identity: &Identity) -> Option<Arc<StoredTemplate>> {
        self.known().templates.get(identity).cloned()
    }

    /// Remembers a template that was read while the store stood at `revision`.
    fn put(&self, revision: i64, identity: Identity, template: Arc<StoredTemplate>) {
        let mut known = self.known();
        if known.revision != revision {
            return;
        }
        if known.templates.len() >= REMEMBERED {
            known.templates.clear();
        }
        known.templates.insert(identity, template);
    }

    fn is_missing(&self, identity: &Identity, now: Timestamp) -> bool {
        self.known().missing.get(identity).is_some_and(|until| now < *until)
    }

    fn put_missing(&self, identity: Identity, now: Timestamp) {
        let mut known = self.known();
        if known.missing.len() >= REMEMBERED {
            known.missing.clear();
        }
        known.missing.insert(identity, now.saturating_add(MISSING_FOR).unwrap_or(Timestamp::MAX));
    }

    fn gate(&self, identity: &Identity) -> Arc<tokio::sync::Mutex<()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.retain(|other, gate| other == identity || Arc::strong_count(gate) > 1);
        asking.entry(identity.clone()).or_default().clone()
    }
}

/// Why a template cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Meta was asked and gave no answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

/// The template with this name and language of the account's WhatsApp Business Account.
///
/// One that is not known here is looked up at Meta once; that there is none is believed for 60 seconds.
///
/// # Errors
/// When the store cannot be read, or Meta does not answer.
pub async fn find(
    deps: &Deps,
    record: &AccountRecord,
    name: &str,
    language: &str,
) -> Result<Option<Arc<StoredTemplate>>, TemplateError> {
    let account = &record.account;
    let identity = identity(account.workspace, &account.waba_id, name, language);
    if let Some(template) = deps.templates.get(&identity) {
        return Ok(Some(template));
    }
    if deps.templates.is_missing(&identity, deps.now()) {
        return Ok(None);
    }
    if let Some(template) = read(deps, record, &identity, name, language).await? {
        return Ok(Some(template));
    }
    let gate = deps.templates.gate(&identity);
    let _turn = gate.lock().await;
    // Somebody may have asked while we waited.
    if deps.templates.is_missing(&identity, deps.now()) {
        return Ok(None);
    }
    if let Some(template) = read(deps, record, &identity, name, language).await? {
        return Ok(Some(template));
    }
    let query = TemplateQuery { name: Some(name.to_owned()), after: None };
    let listed = list(deps, &line(record), query).await?;
    // Meta matches names loosely.
    let listed: Vec<_> = listed.into_iter().filter(|listed| listed.template.name == name).collect();
    if !listed.is_empty() {
        put(deps, record, listed, None).await?;
        directory::refresh(deps).await?;
    }
    let found = read(deps, record, &identity, name, language).await?;
    if found.is_none() {
        deps.templates.put_missing(identity, deps.now());
    }
    Ok(found)
}

async fn read(
    deps: &Deps,
    record: &AccountRecord,
    identity: &Identity,
    name: &str,
    language: &str,
) -> Result<Option<Arc<StoredTemplate>>, StoreError> {
    let revision = deps.templates.known().revision;
    let account = &record.account;
    let found = deps
        .template_records
        .get_template(account.workspace, &account.waba_id, name, language)
        .await?
        .map(Arc::new);
    if let Some(template) = &found {
        deps.templates.put(revision, identity.clone(), template.clone());
    }
    Ok(found)
}

/// Reads all that Meta lists, page by page.
async fn list(
    deps: &Deps,
    line: &AccountCredentials,
    mut query: TemplateQuery,
) -> Result<Vec<ListedTemplate>, UpstreamError> {
    let mut listed = Vec::new();
    for _ in 0..MAX_PAGES {
        let page = deps.upstream.fetch_templates(line, &query).await?;
        listed.extend(page.templates);
        match page.after {
            Some(after) if query.after.as_ref() != Some(&after) => query.after = Some(after),
            Some(_) | None => return Ok(listed),
        }
    }
    Err(UpstreamError::Unreachable("the list of templates does not end".to_owned()))
}

/// Writes down what Meta lists: with the act of a sync, all there is.
async fn put(
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

/// Brings the templates of an account's WhatsApp Business Account up to date with Meta's list.
///
/// # Errors
/// When Meta does not answer, or the store cannot be written: then nothing has changed.
pub async fn sync(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
) -> Result<TemplateSyncCounts, TemplateError> {
    let listed = list(deps, &line(record), TemplateQuery::default()).await?;
    let account = &record.account;
    let subject = AuditTarget {
        kind: AuditTargetKind::Waba,
        id: account.waba_id.clone(),
        name: Some(account.name.clone()),
    };
    let entry = audit
        .entry(deps, account.workspace, AuditAction::TemplatesSynced, subject)
        .with("listed", i64::try_from(listed.len()).unwrap_or(i64::MAX));
    let counts = put(deps, record, listed, Some(entry)).await?;
    directory::refresh(deps).await?;
    Ok(counts)
}

/// Submits a template to Meta, and keeps it in the state that Meta gives it. Returns our id.
///
/// # Errors
/// When Meta does not take it, or the store cannot be written.
pub async fn create(
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
    let submitted = deps.upstream_admin.create_template(&line(record), body).await?;
    let category = submitted.category.unwrap_or_else(|| draft.category.clone());
    let listed = ListedTemplate {
        meta_id: submitted.meta_id,
        template: draft.template(submitted.status, category),
        components: json_text(&draft.components)?,
        quality: None,
        rejected_reason: None,
    };
    keep_added(deps, audit, record, (listed, None)).await
}

/// The text is Meta's: what was made of the inputs is read back from there.
async fn create_from_library(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    draft: &LibraryDraft,
) -> Result<Option<StoredTemplate>, TemplateError> {
    let line = line(record);
    let submitted = deps.upstream_admin.create_template(&line, json_text(&draft.body())?).await?;
    let query = TemplateQuery { name: Some(draft.name.clone()), after: None };
    let missing = || UpstreamError::Unreachable("a template that was just made is not listed".to_owned());
    let listed = list(deps, &line, query).await.and_then(|listed| {
        listed.into_iter().find(|listed| listed.meta_id == submitted.meta_id).ok_or_else(missing)
    });
    let listed = match listed {
        Ok(listed) => listed,
        Err(error) => {
            // It was made: the audit log says so, and a sync or the first send brings it.
            let name = format!("{} ({})", draft.name, draft.language);
            let subject =
                AuditTarget { kind: AuditTargetKind::Template, id: submitted.meta_id, name: Some(name) };
            let entry = audit
                .entry(deps, record.account.workspace, AuditAction::TemplateAdded, subject)
                .with(FROM_LIBRARY, draft.library_name.as_str());
            deps.audit_log.insert_audit_entry(entry).await?;
            return Err(error.into());
        }
    };
    keep_added(deps, audit, record, (listed, Some(&draft.library_name))).await
}

/// Keeps a template that Meta has taken, with the act.
async fn keep_added(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    (listed, library_name): (ListedTemplate, Option<&str>),
) -> Result<Option<StoredTemplate>, TemplateError> {
    let (name, language) = (listed.template.name.clone(), listed.template.language.clone());
    let place = (record.account.workspace, record.account.waba_id.as_str());
    // One that was deleted behind our back keeps its id.
    let known = deps.template_records.get_template(place.0, place.1, &name, &language).await?;
    let id = known.map_or_else(|| deps.new_id(TemplateId::from_parts), |known| known.id);
    let mut entry = audit.entry(deps, place.0, AuditAction::TemplateAdded, subject(id, &listed.template));
    if let Some(library_name) = library_name {
        entry = entry.with(FROM_LIBRARY, library_name);
    }
    keep(deps, place, (id, listed), entry).await?;
    Ok(deps.template_records.get_template(place.0, place.1, &name, &language).await?)
}

/// Changes a template at Meta; it goes through the review again.
///
/// # Errors
/// When Meta does not take it, or the store cannot be written.
pub async fn edit(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    before: &StoredTemplate,
    edit: &TemplateEdit,
) -> Result<Option<StoredTemplate>, TemplateError> {
    let mut listed = before.listed.clone();
    deps.upstream_admin.edit_template(&line(record), &listed.meta_id, json_text(&edit.body())?).await?;
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
    let place = (record.account.workspace, before.waba_id.as_str());
    let entry =
        audit.entry(deps, place.0, AuditAction::TemplateChanged, subject(before.id, &listed.template));
    keep(deps, place, (before.id, listed), entry).await?;
    Ok(deps.template_records.get_template(place.0, place.1, &name, &language).await?)
}

/// Deletes a template at Meta, and forgets it: in its language, or in all.
///
/// # Errors
/// When Meta does not do it, or the store cannot be written.
pub async fn delete(
    deps: &Deps,
    audit: &AuditContext,
    record: &AccountRecord,
    stored: &StoredTemplate,
    is_every_language: bool,
) -> Result<(), TemplateError> {
    let template = &stored.listed.template;
    let meta_id = (!is_every_language).then_some(stored.listed.meta_id.as_str());
    deps.upstream_admin.delete_template(&line(record), &template.name, meta_id).await?;
    let workspace = record.account.workspace;
    let deletion = TemplateDeletion {
        workspace,
        waba_id: stored.waba_id.clone(),
        name: template.name.clone(),
        language: (!is_every_language).then(|| template.language.clone()),
    };
    let entry = audit
        .entry(deps, workspace, AuditAction::TemplateRemoved, subject(stored.id, template))
        .with("all_languages", is_every_language);
    deps.template_records.delete_templates(deletion, entry).await?;
    directory::refresh(deps).await?;
    Ok(())
}

/// A template, as the audit log names it.
fn subject(id: TemplateId, template: &Template) -> AuditTarget {
    AuditTarget::named(AuditTargetKind::Template, &id, format!("{} ({})", template.name, template.language))
}

async fn keep(
    deps: &Deps,
    (workspace, waba_id): (WorkspaceId, &str),
    template: (TemplateId, ListedTemplate),
    entry: AuditEntry,
) -> Result<(), StoreError> {
    let put = TemplateSync {
        workspace,
        waba_id: waba_id.to_owned(),
        templates: vec![template],
        is_complete: false,
        now: deps.now(),
        entry: Some(entry),
    };
    deps.template_records.sync_templates(put).await?;
    directory::refresh(deps).await
}

fn json_text(value: &Value) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::new(StoreErrorKind::Bug, "writing a template as JSON", error))
}
