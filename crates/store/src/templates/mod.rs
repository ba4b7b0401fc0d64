//! Templates, as Meta last told of them.

pub(crate) mod text;

use domain::events::{EventKind, TemplateData};
use domain::id::{AccountId, MessageId, TemplateId, WorkspaceId};
use domain::json::Value as Json;
use domain::meta_error::MetaError;
use domain::templates::TemplateChange;
use domain::templates::{ParameterFormat, Template, TemplateCategory, TemplateStatus};
use domain::webhooks_in::update::TemplateUpdate;
use engine::ports::{
    ListedTemplate, Page, PageRequest, Route, StoredTemplate, TemplateCounts, TemplateFilter, TemplatesPut,
};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::accounts::directory;
use crate::error::SqlResult;
use crate::events::log::{About, emit};
use crate::row::{Cells, micros};
use crate::sqlite::page::{List, Order, bytes, containing, text};
use crate::webhooks_in::update_watermarks::is_latest;

const COLUMNS: &str = "seq, id, waba_id, meta_id, name, language, category, status, parameter_format, components, \
    quality, rejected_reason, synced_at";

fn read(cells: &mut Cells<'_>) -> SqlResult<StoredTemplate> {
    let id = cells.id()?;
    let waba_id = cells.get()?;
    let meta_id = cells.get()?;
    let name = cells.get()?;
    let language = cells.get()?;
    let category = TemplateCategory::parse(&cells.get::<String>()?);
    let status = TemplateStatus::parse(&cells.get::<String>()?);
    let parameter_format = ParameterFormat::parse(&cells.get::<String>()?);
    let components: String = cells.get()?;
    let parsed: Json = serde_json::from_str(&components).map_err(|_| cells.corrupt("no JSON".to_owned()))?;
    let template = Template {
        components: Template::components_from(&parsed, parameter_format, &category),
        name,
        language,
        status,
        category,
        parameter_format,
    };
    Ok(StoredTemplate {
        id,
        waba_id,
        listed: ListedTemplate {
            meta_id,
            template,
            components,
            quality: cells.get()?,
            rejected_reason: cells.get()?,
        },
        synced_at: cells.at()?,
    })
}

pub(crate) fn one(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
    name: &str,
    language: &str,
) -> SqlResult<Option<StoredTemplate>> {
    let sql = format!(
        "select {COLUMNS} from templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query((workspace.as_bytes(), waba_id, name, language))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let mut cells = Cells::new("templates", row);
    let _seq: i64 = cells.get()?;
    read(&mut cells).map(Some)
}

pub(crate) fn page(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &TemplateFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredTemplate>> {
    let mut list = List::of("templates", COLUMNS, Order::OldestFirst);
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
    list.page(connection, page, read)
}

pub(crate) fn put(connection: &Connection, put: &TemplatesPut) -> SqlResult<TemplateCounts> {
    let mut counts = TemplateCounts::default();
    for (id, listed) in &put.templates {
        let template = &listed.template;
        let known: Option<bool> = {
            let mut statement = connection.prepare_cached(
                "select meta_id = ?5 and category = ?6 and status = ?7 and parameter_format = ?8 and components = ?9
                        and quality is ?10 and rejected_reason is ?11
                 from templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
            )?;
            let mut rows = statement.query(params![
                put.workspace.as_bytes(),
                put.waba_id,
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
            rows.next()?.map(|row| row.get(0)).transpose()?
        };
        match known {
            None => counts.added += 1,
            Some(false) => counts.updated += 1,
            Some(true) => {}
        }
        let (place, identity) =
            ((put.workspace, put.waba_id.as_str()), (template.name.as_str(), template.language.as_str()));
        let before = State::read(connection, place, identity)?;
        // A webhook that was missed is told now; what is met for the first time has not changed.
        if known == Some(false) {
            let after = State {
                id: before.id,
                status: Some(template.status.as_str().to_owned()),
                category: Some(template.category.as_str().to_owned()),
                quality: listed.quality.clone(),
            };
            let reason = (listed.rejected_reason.as_deref(), put.now);
            tell(connection, place, identity, (&before, &after), reason)?;
            if crate::templates::text::differ(connection, place, identity, listed)? {
                say(connection, place, identity, (&after, TemplateChange::Components), (None, put.now))?;
            }
        }
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
            .execute(params![
                id.as_bytes(),
                put.workspace.as_bytes(),
                put.waba_id,
                listed.meta_id,
                template.name,
                template.language,
                template.category.as_str(),
                template.status.as_str(),
                template.parameter_format.as_str(),
                listed.components,
                listed.quality,
                listed.rejected_reason,
                micros(put.now),
            ])?;
    }
    if put.is_complete {
        let n_rows = connection
            .prepare_cached(
                "delete from templates where workspace_id = ?1 and waba_id = ?2 and synced_at < ?3",
            )?
            .execute((put.workspace.as_bytes(), &put.waba_id, micros(put.now)))?;
        counts.removed = u32::try_from(n_rows).unwrap_or(u32::MAX);
    }
    counts.total = connection
        .prepare_cached("select count(*) from templates where workspace_id = ?1 and waba_id = ?2")?
        .query_row((put.workspace.as_bytes(), &put.waba_id), |row| row.get(0))?;
    if counts.added + counts.updated + counts.removed > 0 {
        directory::bump(connection, "templates")?;
    }
    if let Some(act) = &put.act {
        audit::write(connection, act)?;
    }
    Ok(counts)
}

/// Applies a change of a template, as far as it is the newest. `false`: it said nothing new, or the template is not known
/// here.
pub(crate) fn update(
    connection: &Connection,
    route: &Route,
    update: &TemplateUpdate,
    (at, now): (Option<Timestamp>, Timestamp),
) -> SqlResult<bool> {
    let (place, identity) =
        ((route.workspace, route.waba_id.as_str()), (update.name.as_str(), update.language.as_str()));
    let update = newest(connection, place, update, at)?;
    let before = State::read(connection, place, identity)?;
    let keys = (route.workspace.as_bytes(), &route.waba_id, &update.name, &update.language);
    let mut n_rows = if update.status.as_deref() == Some("DELETED") {
        connection
            .prepare_cached(
                "delete from templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
            )?
            .execute(keys)?
    } else {
        connection
            .prepare_cached(
                "update templates
                 set status = coalesce(?5, status), category = coalesce(?6, category),
                     quality = coalesce(?7, quality),
                     rejected_reason = case when ?5 = 'APPROVED' then null else coalesce(?8, rejected_reason) end
                 where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4
                   and (?5 is not null and status <> ?5 or ?6 is not null and category <> ?6
                     or ?7 is not null and quality is not ?7)",
            )?
            .execute(params![
                keys.0,
                keys.1,
                keys.2,
                keys.3,
                update.status,
                update.category,
                update.quality,
                update.reason
            ])?
    };
    let after = before.with(&update);
    if let Some(text) = &update.text {
        n_rows += crate::templates::text::put(connection, place, identity, text)?;
        say(connection, place, identity, (&after, TemplateChange::Components), (None, now))?;
    }
    tell(connection, place, identity, (&before, &after), (update.reason.as_deref(), now))?;
    if n_rows > 0 {
        directory::bump(connection, "templates")?;
    }
    Ok(n_rows > 0 || update.text.is_some())
}

/// Meta refused a message because of its template: it says so before any webhook does.
pub(crate) fn refused(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    message: MessageId,
    (error, now): (&MetaError, Timestamp),
) -> SqlResult<()> {
    let found: Option<(String, Option<String>)> = connection
        .prepare_cached(
            "select a.waba_id, m.content from messages m join accounts a on a.id = m.account_id
             where m.workspace_id = ?1 and m.id = ?2 and m.account_id = ?3
               and (m.kind = 'template' or m.sent_as = 'template')",
        )?
        .query_row((workspace.as_bytes(), message.as_bytes(), account.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let Some((waba_id, Some(content))) = found else { return Ok(()) };
    let Ok(content) = serde_json::from_str::<Json>(&content) else { return Ok(()) };
    let name = content.get("name").and_then(Json::as_str);
    let language = content.get("language").and_then(|language| language.get("code")?.as_str());
    let Some((name, language)) = name.zip(language) else { return Ok(()) };
    if State::read(connection, (workspace, &waba_id), (name, language))?.id.is_none() {
        return Ok(());
    }
    let status = if error.code == DISABLED { "DISABLED" } else { "PAUSED" };
    let paused = TemplateUpdate {
        name: name.to_owned(),
        language: language.to_owned(),
        status: Some(status.to_owned()),
        reason: error.details.clone().or_else(|| error.title.clone()),
        ..TemplateUpdate::default()
    };
    let route = Route { workspace, waba_id, account: Some(account) };
    // Without a time: our clock must not make what Meta says next look old.
    update(connection, &route, &paused, (None, now)).map(drop)
}

/// Meta's code for a template that is blocked for good; the others of its class pass.
const DISABLED: i64 = 132_016;

/// What of an update is the newest that Meta has said.
fn newest(
    connection: &Connection,
    place: (WorkspaceId, &str),
    update: &TemplateUpdate,
    at: Option<Timestamp>,
) -> SqlResult<TemplateUpdate> {
    let mut update = update.clone();
    let (name, language) = (update.name.clone(), update.language.clone());
    let is_latest = |what: &str, is_said: bool| -> SqlResult<bool> {
        let subject = format!("template/{what}/{name}/{language}");
        Ok(is_said && is_latest(connection, place, &subject, at)?)
    };
    if !is_latest("status", update.status.is_some())? {
        update.status = None;
    }
    if !is_latest("category", update.category.is_some())? {
        update.category = None;
    }
    if !is_latest("quality", update.quality.is_some())? {
        update.quality = None;
    }
    if !is_latest("text", update.text.is_some())? {
        update.text = None;
    }
    Ok(update)
}

/// A template, as far as its changes are told.
#[derive(Default, PartialEq)]
struct State {
    id: Option<TemplateId>,
    status: Option<String>,
    category: Option<String>,
    quality: Option<String>,
}

impl State {
    fn read(
        connection: &Connection,
        (workspace, waba_id): (WorkspaceId, &str),
        (name, language): (&str, &str),
    ) -> SqlResult<Self> {
        let mut statement = connection.prepare_cached(
            "select id, status, category, quality from templates
             where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
        )?;
        let mut rows = statement.query((workspace.as_bytes(), waba_id, name, language))?;
        let Some(row) = rows.next()? else { return Ok(Self::default()) };
        let mut cells = Cells::new("templates", row);
        Ok(Self {
            id: Some(cells.id()?),
            status: cells.get()?,
            category: cells.get()?,
            quality: cells.get()?,
        })
    }

    /// What it becomes.
    fn with(&self, update: &TemplateUpdate) -> Self {
        let newer = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        Self {
            id: self.id,
            status: newer(&update.status, &self.status),
            category: newer(&update.category, &self.category),
            quality: newer(&update.quality, &self.quality),
        }
    }
}

/// Tells what has changed, one event for each thing. Also of a template that is not known here.
fn tell(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (name, language): (&str, &str),
    (before, after): (&State, &State),
    (reason, now): (Option<&str>, Timestamp),
) -> SqlResult<()> {
    let changes = [
        (before.status != after.status, TemplateChange::Status),
        (before.category != after.category, TemplateChange::Category),
        (before.quality != after.quality, TemplateChange::Quality),
    ];
    for (_, change) in changes.into_iter().filter(|(has_changed, _)| *has_changed) {
        say(connection, (workspace, waba_id), (name, language), (after, change), (reason, now))?;
    }
    Ok(())
}

fn say(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (name, language): (&str, &str),
    (after, change): (&State, TemplateChange),
    (reason, now): (Option<&str>, Timestamp),
) -> SqlResult<()> {
    let data = TemplateData {
        id: after.id,
        waba_id,
        name,
        language,
        change,
        status: after.status.as_deref(),
        category: after.category.as_deref(),
        quality: after.quality.as_deref(),
        reason,
    };
    let about = About { waba_id: Some(waba_id), ..About::workspace(workspace, now) };
    emit(connection, &about, EventKind::TemplateStatus, &data)?;
    Ok(())
}
