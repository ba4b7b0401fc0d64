//! Updates of templates that Meta reports.

use domain::id::MessageId;
use domain::json::Value as Json;
use domain::meta_error::MetaError;
use domain::webhooks_in::update::TemplateUpdate;
use engine::ports::ChangeRoute;
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::row::{SelectRow as _, row};
use crate::scope::Scope;
use crate::templates::template_events::{TemplateState, TemplateTransition};
use crate::templates::template_key::TemplateKey;
use crate::templates::{components, template_events};
use crate::{revisions, update_watermarks};

/// Applies the parts of an update that are newer than the stored parts. Returns `false` if the update changes nothing
/// or the template is not stored.
pub(crate) fn apply_update(
    connection: &Connection,
    route: &ChangeRoute,
    update: &TemplateUpdate,
    at: Option<Timestamp>,
    now: Timestamp,
) -> SqlResult<bool> {
    let key = TemplateKey {
        workspace: route.workspace,
        waba_id: &route.waba_id,
        name: &update.name,
        language: &update.language,
    };
    let update = latest_parts(connection, key, update, at)?;
    let before = TemplateState::read(connection, key)?;
    let mut n_rows = write_update(connection, key, &update)?;
    let after = before.with(&update);
    let reason = update.reason.as_deref();
    let transition = TemplateTransition { key, before: &before, after: &after, reason };
    if let Some(text) = &update.text {
        n_rows += components::update_text(connection, key, text)?;
        template_events::emit_components_change(connection, &transition, now)?;
    }
    template_events::emit_changes(connection, &transition, now)?;
    if n_rows > 0 {
        revisions::increment(connection, "templates")?;
    }
    Ok(n_rows > 0 || update.text.is_some())
}

/// Updates or deletes the row of a template. Returns the number of changed rows.
fn write_update(connection: &Connection, key: TemplateKey<'_>, update: &TemplateUpdate) -> SqlResult<usize> {
    if update.status.as_deref() == Some("DELETED") {
        return Ok(connection
            .prepare_cached(
                "delete from templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4",
            )?
            .execute(key.parameters())?);
    }
    Ok(connection
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
            key.workspace.as_bytes(),
            key.waba_id,
            key.name,
            key.language,
            update.status,
            update.category,
            update.quality,
            update.reason
        ])?)
}

row! {
    struct SentTemplateRow {
        waba_id: String = get "a.waba_id",
        content: Option<String> = get "m.content",
    } from "messages m join accounts a on a.id = m.account_id
        where m.workspace_id = ?1 and m.id = ?2 and m.account_id = ?3
          and (m.kind = 'template' or m.sent_as = 'template')"
}

/// Applies the refusal of a message because of its template. The refusal is received before the webhook.
pub(crate) fn apply_refusal(
    connection: &Connection,
    scope: Scope,
    message: MessageId,
    error: &MetaError,
    now: Timestamp,
) -> SqlResult<()> {
    let Scope { workspace, account } = scope;
    let found =
        SentTemplateRow::find(connection, (workspace.as_bytes(), message.as_bytes(), account.as_bytes()))?;
    let Some(SentTemplateRow { waba_id, content: Some(content) }) = found else { return Ok(()) };
    let Ok(content) = serde_json::from_str::<Json>(&content) else { return Ok(()) };
    let name = content.get("name").and_then(Json::as_str);
    let language = content.get("language").and_then(|language| language.get("code")?.as_str());
    let Some((name, language)) = name.zip(language) else { return Ok(()) };
    let key = TemplateKey { workspace, waba_id: &waba_id, name, language };
    if TemplateState::read(connection, key)?.id.is_none() {
        return Ok(());
    }
    let status = if error.code == DISABLED { "DISABLED" } else { "PAUSED" };
    let update = TemplateUpdate {
        name: name.to_owned(),
        language: language.to_owned(),
        status: Some(status.to_owned()),
        reason: error.details.clone().or_else(|| error.title.clone()),
        ..TemplateUpdate::default()
    };
    let route = ChangeRoute { workspace, waba_id, account: Some(account) };
    // The update has no time: a watermark of the local clock could exclude Meta's next update.
    apply_update(connection, &route, &update, None, now).map(drop)
}

/// Error code for a template that is permanently blocked. The other codes of its class are temporary.
const DISABLED: i64 = 132_016;

/// Returns the parts of an update that are newer than the watermark.
fn latest_parts(
    connection: &Connection,
    key: TemplateKey<'_>,
    update: &TemplateUpdate,
    at: Option<Timestamp>,
) -> SqlResult<TemplateUpdate> {
    let mut update = update.clone();
    let is_latest = |part: &str, is_reported: bool| -> SqlResult<bool> {
        let subject = format!("template/{part}/{}/{}", key.name, key.language);
        Ok(is_reported && update_watermarks::advance(connection, key.workspace, key.waba_id, &subject, at)?)
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
