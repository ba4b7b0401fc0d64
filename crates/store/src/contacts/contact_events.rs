//! Events about contacts.

use domain::events::{ContactData, EventKind};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::json::Object;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::{SelectRow as _, row};
use crate::scope::Scope;

/// Event about a contact.
pub(crate) struct ContactEvent<'a> {
    pub(crate) workspace: WorkspaceId,
    /// Account that received the change; `None` for a change by the application.
    pub(crate) account: Option<AccountId>,
    pub(crate) contact: ContactId,
    /// Names of the changed fields; empty for a new contact.
    pub(crate) changes: &'a [&'static str],
    /// Contact that was merged into this contact.
    pub(crate) merged: Option<ContactId>,
    pub(crate) now: Timestamp,
}

impl ContactEvent<'_> {
    /// Creates the event of a new contact.
    pub(crate) fn new(
        workspace: WorkspaceId,
        account: Option<AccountId>,
        contact: ContactId,
        now: Timestamp,
    ) -> Self {
        Self { workspace, account, contact, changes: &[], merged: None, now }
    }

    /// Creates the event of a new contact that an account received.
    pub(crate) fn in_scope(scope: Scope, contact: ContactId, now: Timestamp) -> Self {
        Self::new(scope.workspace, Some(scope.account), contact, now)
    }
}

row! {
    struct ContactEventRow {
        phone_number: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
        name: Option<String> = get "coalesce(name, profile_name)",
        username: Option<String> = get "username",
        tags: Vec<String> = json "tags",
        stage: Option<String> = get "stage",
        email: Option<String> = get "email",
        custom_fields: Object = json "custom_fields",
        opted_out_reason: Option<String> = get "opted_out_reason",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

/// Emits an event with the present state of a contact. A contact that does not exist has no event.
pub(crate) fn emit_contact(connection: &Connection, event: &ContactEvent<'_>) -> SqlResult<()> {
    let key = (event.workspace.as_bytes(), event.contact.as_bytes());
    let Some(row) = ContactEventRow::find(connection, key)? else { return Ok(()) };
    let data = ContactData {
        id: event.contact,
        phone_number: row.phone_number.as_deref(),
        user_id: row.user_id.as_deref(),
        name: row.name.as_deref(),
        username: row.username.as_deref(),
        tags: &row.tags,
        stage: row.stage.as_deref(),
        email: row.email.as_deref(),
        custom_fields: &row.custom_fields,
        opted_out: row.opted_out_reason.is_some(),
        opted_out_reason: row.opted_out_reason.as_deref(),
        changes: event.changes,
        merged_contact_id: event.merged,
    };
    let kind = if event.changes.is_empty() { EventKind::ContactCreated } else { EventKind::ContactUpdated };
    let about = About {
        account: event.account,
        contact: Some(event.contact),
        ..About::workspace(event.workspace, event.now)
    };
    log::emit(connection, &about, kind, &data)?;
    Ok(())
}
