//! Templates: list, get, synchronize, delete.

use domain::access::audit::AuditEntry;
use domain::id::{TemplateId, WorkspaceId};
use domain::json::Value as Json;
use domain::templates::{ParameterFormat, Template, TemplateCategory, TemplateStatus};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::error::SqlResult;
use crate::revisions;
use crate::row::{Cells, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::sqlite::page::{ListQuery, Order, bytes, containing, text};
use crate::templates::template_events::{TemplateState, TemplateTransition};
use crate::templates::template_key::TemplateKey;
use crate::templates::{components, template_events};

use engine::ports::{
    ListedTemplate, Page, PageRequest, StoredTemplate, TemplateDeletion, TemplateFilter, TemplateNames,
    TemplateSync, TemplateSyncCounts, TemplateSyncScope,
};

row! {
    struct TemplateRow {
        id: TemplateId = id "id",
        waba_id: String = get "waba_id",
        meta_id: String = get "meta_id",
        name: String = get "name",
        language: String = get "language",
        category: String = get "category",
        status: String = get "status",
        parameter_format: String = get "parameter_format",
        quality: Option<String> = get "quality",
        rejected_reason: Option<String> = get "rejected_reason",
        synced_at: Timestamp = at "synced_at",
        components: String = get "components",
    }
}

fn read(cells: &mut Cells<'_>) -> SqlResult<StoredTemplate> {
    let row = TemplateRow::read(cells)?;
    let parsed: Json = serde_json::from_str(&row.components)
        .map_err(|_| cells.corrupt("text that is not valid JSON".to_owned()))?;
    let category = TemplateCategory::parse(&row.category);
    let parameter_format = ParameterFormat::parse(&row.parameter_format);
    let template = Template {
        components: Template::components_from(&parsed, parameter_format, &category),
        name: row.name,
        language: row.language,
        status: TemplateStatus::parse(&row.status),
        category,
        parameter_format,
    };
    Ok(StoredTemplate {
        id: row.id,
        waba_id: row.waba_id,
        listed: ListedTemplate {
            meta_id: row.meta_id,
            template,
            components: row.components,
            quality: row.quality,
            rejected_reason: row.rejected_reason,
        },
        synced_at: row.synced_at,
    })
}

pub(crate) fn get_template(
    connection: &Connection,
    key: TemplateKey<'_>,
) -> SqlResult<Option<StoredTemplate>> {
    let sql = format!(
        "select {} from templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
        TemplateRow::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(key.parameters())?;
    rows.next()?.map(|row| read(&mut Cells::new("templates", row))).transpose()
}

pub(crate) fn list_templates(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &TemplateFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredTemplate>> {
    let mut list = ListQuery::new("templates", TemplateRow::COLUMNS, Order::OldestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]);
    if let Some(id) = &filter.id {
        list.with("id = ?", [bytes(id.as_bytes())]);
    }
    if let Some(waba_ids) = &filter.waba_ids {
        list.within("waba_id", waba_ids.iter().map(|waba_id| text(waba_id)));
    }
    for (condition, value) in [
        ("waba_id = ?", &filter.waba_id),
        ("name = ?", &filter.name),
        ("language = ?", &filter.language),
        ("status = ?", &filter.status),
        ("category = ?", &filter.category),
    ] {
        if let Some(value) = value {
            list.with(condition, [text(value)]);
        }
    }
    if let Some(search) = &filter.search {
        list.with("name like ? escape '\\'", [containing(search)]);
    }
    list.read_page(connection, page, read)
}

/// Writes the templates that Meta lists. Deletes the other templates in the scope of the list.
pub(crate) fn sync_templates(connection: &Connection, sync: &TemplateSync) -> SqlResult<TemplateSyncCounts> {
    let mut counts = TemplateSyncCounts::default();
    for (id, listed) in &sync.templates {
        match is_unchanged(connection, sync, listed)? {
            None => counts.added += 1,
            Some(true) => {}
            Some(false) => {
                counts.updated += 1;
                emit_missed_changes(connection, sync, listed)?;
            }
        }
        upsert_template(connection, sync, *id, listed)?;
    }
    counts.removed = u32::try_from(delete_unlisted(connection, sync)?).unwrap_or(u32::MAX);
    counts.total = connection
        .prepare_cached("select count(*) from templates where workspace_id = ?1 and waba_id = ?2")?
        .query_row((sync.workspace.as_bytes(), &sync.waba_id), |row| row.get(0))?;
    if counts.added + counts.updated + counts.removed > 0 {
        revisions::increment(connection, "templates")?;
    }
    if let Some(entry) = &sync.entry {
        audit::insert_entry(connection, entry)?;
    }
    Ok(counts)
}

/// Deletes the templates in the scope of a list that are not listed. Returns the number of deleted templates.
fn delete_unlisted(connection: &Connection, sync: &TemplateSync) -> SqlResult<usize> {
    let (workspace, waba_id) = (sync.workspace.as_bytes(), &sync.waba_id);
    let n_rows = match &sync.scope {
        TemplateSyncScope::Listed => 0,
        TemplateSyncScope::Name { name, written_before } => connection
            .prepare_cached(
                "delete from templates
                 where workspace_id = ?1 and waba_id = ?2 and name = ?3 and synced_at < ?4",
            )?
            .execute((workspace, waba_id, name, micros((*written_before).min(sync.now))))?,
        TemplateSyncScope::Waba { written_before } => connection
            .prepare_cached(
                "delete from templates where workspace_id = ?1 and waba_id = ?2 and synced_at < ?3",
            )?
            .execute((workspace, waba_id, micros((*written_before).min(sync.now))))?,
    };
    Ok(n_rows)
}

/// Lists the languages of a template name, and all names of a WhatsApp Business Account.
pub(crate) fn list_template_names(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
    name: &str,
) -> SqlResult<TemplateNames> {
    let languages = connection
        .prepare_cached(
            "select language from templates
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 order by language",
        )?
        .query_map((workspace.as_bytes(), waba_id, name), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    // Meta allows 6,000 templates.
    let names = connection
        .prepare_cached(
            "select distinct name from templates where workspace_id = ?1 and waba_id = ?2 order by name
             limit 10000",
        )?
        .query_map((workspace.as_bytes(), waba_id), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(TemplateNames { languages, names })
}

/// Returns the time since which all templates of a WhatsApp Business Account have been synchronized.
pub(crate) fn get_templates_synced_at(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
) -> SqlResult<Option<Timestamp>> {
    let us: Option<i64> = connection
        .prepare_cached("select min(synced_at) from templates where workspace_id = ?1 and waba_id = ?2")?
        .query_row((workspace.as_bytes(), waba_id), |row| row.get(0))?;
    Ok(us.and_then(|us| Timestamp::from_microsecond(us).ok()))
}

fn key_of<'a>(sync: &'a TemplateSync, listed: &'a ListedTemplate) -> TemplateKey<'a> {
    TemplateKey {
        workspace: sync.workspace,
        waba_id: &sync.waba_id,
        name: &listed.template.name,
        language: &listed.template.language,
    }
}

/// Returns `true` if the stored template equals the listed template; `None` if the template is not stored.
fn is_unchanged(
    connection: &Connection,
    sync: &TemplateSync,
    listed: &ListedTemplate,
) -> SqlResult<Option<bool>> {
    let template = &listed.template;
    let mut statement = connection.prepare_cached(
        "select meta_id = ?5 and category = ?6 and status = ?7 and parameter_format = ?8 and components = ?9
                and quality is ?10 and rejected_reason is ?11
         from templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
    )?;
    let mut rows = statement.query(params![
        sync.workspace.as_bytes(),
        sync.waba_id,
        template.name,
        template.language,
        listed.meta_id,
        template.category.as_str(),
        template.status.as_str(),
        template.parameter_format.as_str(),
        listed.components,
        listed.quality,
        listed.rejected_reason,
    ])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}

/// Emits the events of changes whose webhooks were missed. Called before the template is written.
fn emit_missed_changes(
    connection: &Connection,
    sync: &TemplateSync,
    listed: &ListedTemplate,
) -> SqlResult<()> {
    let key = key_of(sync, listed);
    let before = TemplateState::read(connection, key)?;
    let after = TemplateState {
        id: before.id,
        status: Some(listed.template.status.as_str().to_owned()),
        category: Some(listed.template.category.as_str().to_owned()),
        quality: listed.quality.clone(),
    };
    let reason = listed.rejected_reason.as_deref();
    let transition = TemplateTransition { key, before: &before, after: &after, reason };
    template_events::emit_changes(connection, &transition, sync.now)?;
    if components::differs(connection, key, listed)? {
        template_events::emit_components_change(connection, &transition, sync.now)?;
    }
    Ok(())
}

fn upsert_template(
    connection: &Connection,
    sync: &TemplateSync,
    id: TemplateId,
    listed: &ListedTemplate,
) -> SqlResult<()> {
    let template = &listed.template;
    connection
        .prepare_cached(
            "insert into templates (
                 id, workspace_id, waba_id, meta_id, name, language, category, status, parameter_format,
                 components, quality, rejected_reason, synced_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             on conflict (workspace_id, waba_id, name, language) do update set
                 meta_id = excluded.meta_id, category = excluded.category, status = excluded.status,
                 parameter_format = excluded.parameter_format, components = excluded.components,
                 quality = excluded.quality, rejected_reason = excluded.rejected_reason,
                 synced_at = excluded.synced_at",
        )?
        .execute_one(params![
            id.as_bytes(),
            sync.workspace.as_bytes(),
            sync.waba_id,
            listed.meta_id,
            template.name,
            template.language,
            template.category.as_str(),
            template.status.as_str(),
            template.parameter_format.as_str(),
            listed.components,
            listed.quality,
            listed.rejected_reason,
            micros(sync.now),
        ])
}

/// Deletes templates that were deleted at Meta, and writes the audit entry even if no template was stored. The event
/// follows with Meta's webhook.
pub(crate) fn delete_templates(
    connection: &Connection,
    deletion: &TemplateDeletion,
    entry: &AuditEntry,
) -> SqlResult<()> {
    let TemplateDeletion { workspace, waba_id, name, language } = deletion;
    let n_rows = connection
        .prepare_cached(
            "delete from templates
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and (?4 is null or language = ?4)",
        )?
        .execute((workspace.as_bytes(), waba_id, name, language))?;
    if n_rows > 0 {
        revisions::increment(connection, "templates")?;
    }
    audit::insert_entry(connection, entry)
}
