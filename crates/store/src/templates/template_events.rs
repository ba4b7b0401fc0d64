//! Events about templates.

use domain::events::{EventKind, TemplateData};
use domain::id::TemplateId;
use domain::templates::TemplateChange;
use domain::webhooks_in::update::TemplateUpdate;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::{SelectRow as _, row};
use crate::templates::template_key::TemplateKey;

/// Columns of a template whose changes emit events.
#[derive(Default, PartialEq)]
pub(crate) struct TemplateState {
    /// Identifier; `None` for a template that is not stored.
    pub(crate) id: Option<TemplateId>,
    pub(crate) status: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) quality: Option<String>,
}

row! {
    struct StateRow {
        id: TemplateId = id "id",
        status: Option<String> = get "status",
        category: Option<String> = get "category",
        quality: Option<String> = get "quality",
    } from "templates where workspace_id = ?1 and waba_id = ?2 and name = ?3 and language = ?4"
}

impl TemplateState {
    pub(crate) fn read(connection: &Connection, key: TemplateKey<'_>) -> SqlResult<Self> {
        let row = StateRow::find(connection, key.parameters())?;
        Ok(row.map_or_else(Self::default, |row| Self {
            id: Some(row.id),
            status: row.status,
            category: row.category,
            quality: row.quality,
        }))
    }

    /// Returns the state after an update.
    pub(crate) fn with(&self, update: &TemplateUpdate) -> Self {
        let newer = |new: &Option<String>, old: &Option<String>| new.clone().or_else(|| old.clone());
        Self {
            id: self.id,
            status: newer(&update.status, &self.status),
            category: newer(&update.category, &self.category),
            quality: newer(&update.quality, &self.quality),
        }
    }
}

/// Template before and after an update.
pub(crate) struct TemplateTransition<'a> {
    pub(crate) key: TemplateKey<'a>,
    pub(crate) before: &'a TemplateState,
    pub(crate) after: &'a TemplateState,
    /// Meta's reason for the update.
    pub(crate) reason: Option<&'a str>,
}

/// Emits one event for each change of status, category and quality, also for a template that is not stored.
pub(crate) fn emit_changes(
    connection: &Connection,
    transition: &TemplateTransition<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let TemplateTransition { before, after, .. } = transition;
    let changes = [
        (before.status != after.status, TemplateChange::Status),
        (before.category != after.category, TemplateChange::Category),
        (before.quality != after.quality, TemplateChange::Quality),
    ];
    for (_, change) in changes.into_iter().filter(|(has_changed, _)| *has_changed) {
        emit_change(connection, transition, change, now)?;
    }
    Ok(())
}

/// Emits the event of a change of the components.
pub(crate) fn emit_components_change(
    connection: &Connection,
    transition: &TemplateTransition<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let transition = TemplateTransition { reason: None, ..*transition };
    emit_change(connection, &transition, TemplateChange::Components, now)
}

fn emit_change(
    connection: &Connection,
    transition: &TemplateTransition<'_>,
    change: TemplateChange,
    now: Timestamp,
) -> SqlResult<()> {
    let TemplateTransition { key, after, reason, .. } = *transition;
    let data = TemplateData {
        id: after.id,
        waba_id: key.waba_id,
        name: key.name,
        language: key.language,
        change,
        status: after.status.as_deref(),
        category: after.category.as_deref(),
        quality: after.quality.as_deref(),
        reason,
    };
    let about = About { waba_id: Some(key.waba_id), ..About::workspace(key.workspace, now) };
    log::emit(connection, &about, EventKind::TemplateStatus, &data)?;
    Ok(())
}
