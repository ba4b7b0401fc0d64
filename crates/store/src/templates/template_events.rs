//! Events about templates.

use domain::events::{EventKind, TemplateData};
use domain::id::{TemplateId, WorkspaceId};
use domain::templates::TemplateChange;
use domain::webhooks_in::update::TemplateUpdate;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::Cells;

/// Columns of a template whose changes emit events.
#[derive(Default, PartialEq)]
pub(crate) struct TemplateState {
    pub(crate) id: Option<TemplateId>,
    pub(crate) status: Option<String>,
    pub(crate) category: Option<String>,
    pub(crate) quality: Option<String>,
}

impl TemplateState {
    pub(crate) fn read(
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

/// Emits one event for each change, also for a template that is not stored.
pub(crate) fn emit_changes(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (name, language): (&str, &str),
    (before, after): (&TemplateState, &TemplateState),
    (reason, now): (Option<&str>, Timestamp),
) -> SqlResult<()> {
    let changes = [
        (before.status != after.status, TemplateChange::Status),
        (before.category != after.category, TemplateChange::Category),
        (before.quality != after.quality, TemplateChange::Quality),
    ];
    for (_, change) in changes.into_iter().filter(|(has_changed, _)| *has_changed) {
        emit_change(connection, (workspace, waba_id), (name, language), (after, change), (reason, now))?;
    }
    Ok(())
}

pub(crate) fn emit_change(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (name, language): (&str, &str),
    (after, change): (&TemplateState, TemplateChange),
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
    log::emit(connection, &about, EventKind::TemplateStatus, &data)?;
    Ok(())
}
