//! Application of a number change to its contact.

use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::webhooks_in::update::NumberChange;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::{contact_events, lookup, merge, number_changes, numbers, resolve};
use crate::error::SqlResult;
use crate::row::{Cells, micros};

/// Applies a number change and returns its contact.
pub(crate) fn apply_number_change(
    connection: &Connection,
    place: (WorkspaceId, AccountId),
    new_id: ContactId,
    moved: &NumberChange,
    now: Timestamp,
) -> SqlResult<ContactId> {
    let (workspace, _) = place;
    let named = WhatsAppUser { name: None, username: None, ..moved.from.clone() };
    // Several accounts may report the same change, and a later change may have been reported earlier.
    let to = number_changes::current_identifiers(connection, workspace, &moved.to, moved.at)?;
    number_changes::insert_change(connection, workspace, moved, &to)?;
    let person = WhatsAppUser {
        wa_id: to.wa_id.clone().or(named.wa_id.clone()),
        user_id: to.user_id.clone().or(named.user_id.clone()),
        name: moved.from.name.clone(),
        username: moved.from.username.clone(),
    };
    match lookup::find_by_identifiers(connection, workspace, &named)? {
        Some(contact) => {
            update_identifiers(connection, place, contact, (&named, &to), now)?;
            Ok(contact)
        }
        None => resolve::resolve_contact(connection, place, new_id, &person, now),
    }
}

/// Updates the identifiers of a contact. A contact that already has one of the new identifiers is the same person and
/// is merged.
fn update_identifiers(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    (from, to): (&WhatsAppUser, &WhatsAppUser),
    now: Timestamp,
) -> SqlResult<()> {
    let before = ids(connection, workspace, contact)?;
    let (mut new_user_id, mut merged) = (to.user_id.clone(), None);
    if let Some(wa_id) = &to.wa_id {
        match lookup::find_by_number(connection, workspace, wa_id)? {
            Some(found) if found == contact => {}
            Some(found) => {
                // The person wrote from the new number before the change was reported: those identifiers are newer.
                new_user_id = new_user_id.or(ids(connection, workspace, found)?.1);
                merge::merge_contacts(connection, workspace, contact, found)?;
                merged = Some(found);
            }
            None => numbers::insert_number(connection, workspace, contact, wa_id)?,
        }
        for left in [&from.wa_id, &before.0].into_iter().flatten() {
            delete_old_number(connection, workspace, contact, (left, wa_id))?;
        }
    }
    if let Some(user_id) = &new_user_id
        && let Some(found) = lookup::find_by_bsuid(connection, workspace, user_id)?
        && found != contact
    {
        merge::merge_contacts(connection, workspace, contact, found)?;
        merged = Some(found);
    }
    connection
        .prepare_cached(
            "update contacts set wa_id = coalesce(?3, wa_id), bsuid = coalesce(?4, bsuid), updated_at = ?5
             where workspace_id = ?1 and id = ?2",
        )?
        .execute((workspace.as_bytes(), contact.as_bytes(), &to.wa_id, &new_user_id, micros(now)))?;
    let after = ids(connection, workspace, contact)?;
    let changes: Vec<_> = [
        (before.0 != after.0, "phone_number"),
        (before.1 != after.1, "user_id"),
        (merged.is_some(), "merged_contact_id"),
    ]
    .into_iter()
    .filter_map(|(has_changed, name)| has_changed.then_some(name))
    .collect();
    if changes.is_empty() {
        return Ok(());
    }
    contact_events::emit_contact(connection, (workspace, Some(account)), contact, (&changes, merged), now)
}

/// Number and business-scoped user ID.
type Ids = (Option<String>, Option<String>);

/// Returns the identifiers of a contact.
fn ids(connection: &Connection, workspace: WorkspaceId, contact: ContactId) -> SqlResult<Ids> {
    let mut statement =
        connection.prepare_cached("select wa_id, bsuid from contacts where workspace_id = ?1 and id = ?2")?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok((None, None)) };
    let mut cells = Cells::new("contacts", row);
    Ok((cells.get()?, cells.get()?))
}

/// Deletes the old number in all its spellings, and moves the queued messages to the new number.
fn delete_old_number(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    (old, new): (&str, &str),
) -> SqlResult<()> {
    let spellings = PhoneNumber::from_wa_id(old).map(|number| number.variants()).unwrap_or_default();
    let spellings = spellings.iter().map(PhoneNumber::digits).chain([old]);
    for spelling in spellings.filter(|spelling| *spelling != new) {
        connection
            .prepare_cached(
                "delete from contact_numbers where workspace_id = ?1 and contact_id = ?2 and wa_id = ?3",
            )?
            .execute((workspace.as_bytes(), contact.as_bytes(), spelling))?;
        connection
            .prepare_cached(
                "update messages set wa_id = ?4
                 where workspace_id = ?1 and contact_id = ?2 and wa_id = ?3 and status = 'queued'
                   and direction = 'outbound' and worker_id is null",
            )?
            .execute((workspace.as_bytes(), contact.as_bytes(), spelling, new))?;
    }
    Ok(())
}
