//! Events about contacts.

use domain::events::{ContactData, EventKind};
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::json::Object;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::Cells;

/// Emits an event for a contact that is new, or whose named fields changed.
pub(crate) fn emit_contact(
    connection: &Connection,
    (workspace, account): (WorkspaceId, Option<AccountId>),
    contact: ContactId,
    (changes, merged): (&[&'static str], Option<ContactId>),
    now: Timestamp,
) -> SqlResult<()> {
    let mut statement = connection.prepare_cached(
        "select wa_id, bsuid, coalesce(name, profile_name), tags, stage, email, custom_fields, opted_out_reason
         from contacts where workspace_id = ?1 and id = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut cells = Cells::new("contacts", row);
    let phone_number: Option<String> = cells.get()?;
    let user_id: Option<String> = cells.get()?;
    let name: Option<String> = cells.get()?;
    let tags: Vec<String> = cells.json()?;
    let stage: Option<String> = cells.get()?;
    let email: Option<String> = cells.get()?;
    let custom_fields: Object = cells.json()?;
    let opted_out_reason: Option<String> = cells.get()?;
    let data = ContactData {
        id: contact,
        phone_number: phone_number.as_deref(),
        user_id: user_id.as_deref(),
        name: name.as_deref(),
        tags: &tags,
        stage: stage.as_deref(),
        email: email.as_deref(),
        custom_fields: &custom_fields,
        opted_out: opted_out_reason.is_some(),
        opted_out_reason: opted_out_reason.as_deref(),
        changes,
        merged_contact_id: merged,
    };
    let kind = if changes.is_empty() { EventKind::ContactCreated } else { EventKind::ContactUpdated };
    log::emit(connection, &About::person((workspace, account), contact, now), kind, &data)?;
    Ok(())
}
