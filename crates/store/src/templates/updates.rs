//! Updates of templates that Meta reports.

use domain::id::{AccountId, MessageId, WorkspaceId};
use domain::json::Value as Json;
use domain::meta_error::MetaError;
use domain::templates::TemplateChange;
use domain::webhooks_in::update::TemplateUpdate;
use engine::ports::ChangeRoute;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::SqlResult;
use crate::templates::template_events::TemplateState;
use crate::templates::{components, template_events};
use crate::{revisions, update_watermarks};

/// Applies the parts of an update that are newer than the stored ones. Returns `false` if the update changes nothing
/// or the template is not stored.
pub(crate) fn apply_update(
    connection: &Connection,
    route: &ChangeRoute,
    update: &TemplateUpdate,
    (at, now): (Option<Timestamp>, Timestamp),
) -> SqlResult<bool> {
    let (place, identity) =
        ((route.workspace, route.waba_id.as_str()), (update.name.as_str(), update.language.as_str()));
    let update = latest_parts(connection, place, update, at)?;
    let before = TemplateState::read(connection, place, identity)?;
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
        n_rows += components::update_text(connection, place, identity, text)?;
        template_events::emit_change(
            connection,
            place,
            identity,
            (&after, TemplateChange::Components),
            (None, now),
        )?;
    }
    template_events::emit_changes(
        connection,
        place,
        identity,
        (&before, &after),
        (update.reason.as_deref(), now),
    )?;
    if n_rows > 0 {
        revisions::increment(connection, "templates")?;
    }
    Ok(n_rows > 0 || update.text.is_some())
}

/// Applies the refusal of a message because of its template, which arrives before the webhook.
pub(crate) fn apply_refusal(
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
    if TemplateState::read(connection, (workspace, &waba_id), (name, language))?.id.is_none() {
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
    let route = ChangeRoute { workspace, waba_id, account: Some(account) };
    // Without a time: the local clock must not make Meta's next update look old.
    apply_update(connection, &route, &paused, (None, now)).map(drop)
}

/// Error code for a template that is permanently blocked. The other codes of its class are temporary.
const DISABLED: i64 = 132_016;

/// Returns the parts of an update that are newer than the watermark.
fn latest_parts(
    connection: &Connection,
    place: (WorkspaceId, &str),
    update: &TemplateUpdate,
    at: Option<Timestamp>,
) -> SqlResult<TemplateUpdate> {
    let mut update = update.clone();
    let (name, language) = (update.name.clone(), update.language.clone());
    let is_latest = |what: &str, is_said: bool| -> SqlResult<bool> {
        let subject = format!("template/{what}/{name}/{language}");
        Ok(is_said && update_watermarks::advance(connection, place, &subject, at)?)
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
