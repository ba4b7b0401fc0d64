//! Application of a number change to its contact.

use domain::contacts::phone::PhoneNumber;
use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{ContactId, WorkspaceId};
use domain::webhooks_in::update::NumberChange;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::contact_events::ContactEvent;
use crate::contacts::{contact_events, lookup, merge, number_changes, numbers, resolve};
use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Applies a number change and returns its contact.
pub(crate) fn apply_number_change(
    connection: &Connection,
    scope: Scope,
    new_id: ContactId,
    change: &NumberChange,
    now: Timestamp,
) -> SqlResult<ContactId> {
    let workspace = scope.workspace;
    let from = WhatsAppUser { name: None, username: None, ..change.from.clone() };
    // Several accounts may report the same change, and a later change may have been reported earlier.
    let to = number_changes::current_identifiers(connection, workspace, &change.to, change.at)?;
    number_changes::insert_change(connection, workspace, change, &to)?;
    match lookup::find_by_identifiers(connection, workspace, &from)? {
        Some(contact) => {
            update_identifiers(connection, scope, contact, &Identifiers { from, to }, now)?;
            Ok(contact)
        }
        None => {
            let user = WhatsAppUser {
                wa_id: to.wa_id.or(from.wa_id),
                user_id: to.user_id.or(from.user_id),
                name: change.from.name.clone(),
                username: change.from.username.clone(),
            };
            resolve::resolve_contact(connection, scope, new_id, &user, now)
        }
    }
}

/// Old and new identifiers of a number change.
struct Identifiers {
    from: WhatsAppUser,
    to: WhatsAppUser,
}

row! {
    #[derive(Default)]
    struct IdentifierRow {
        wa_id: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

/// Updates the identifiers of a contact. A contact that already has one of the new identifiers belongs to the same
/// WhatsApp user and is merged.
fn update_identifiers(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    Identifiers { from, to }: &Identifiers,
    now: Timestamp,
) -> SqlResult<()> {
    let workspace = scope.workspace;
    let before = get_identifiers(connection, workspace, contact)?;
    let (mut new_user_id, mut merged) = (to.user_id.clone(), None);
    if let Some(wa_id) = &to.wa_id {
        match lookup::find_by_number(connection, workspace, wa_id)? {
            Some(found) if found == contact => {}
            Some(found) => {
                // The user wrote from the new number before the change was reported: the identifiers of `found` are
                // newer.
                new_user_id = new_user_id.or(get_identifiers(connection, workspace, found)?.user_id);
                merge::merge_contacts(connection, workspace, contact, found)?;
                merged = Some(found);
            }
            None => numbers::insert_number(connection, workspace, contact, wa_id)?,
        }
        for old in [&from.wa_id, &before.wa_id].into_iter().flatten() {
            replace_number(connection, workspace, contact, old, wa_id)?;
        }
    }
    if let Some(user_id) = &new_user_id {
        merged = merge::merge_owner_of_bsuid(connection, workspace, contact, user_id)?.or(merged);
    }
    connection
        .prepare_cached(
            "update contacts set wa_id = coalesce(?3, wa_id), bsuid = coalesce(?4, bsuid), updated_at = ?5
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((workspace.as_bytes(), contact.as_bytes(), &to.wa_id, &new_user_id, micros(now)))?;
    let after = get_identifiers(connection, workspace, contact)?;
    let changes: Vec<_> = [
        (before.wa_id != after.wa_id, "phone_number"),
        (before.user_id != after.user_id, "user_id"),
        (merged.is_some(), "merged_contact_id"),
    ]
    .into_iter()
    .filter_map(|(has_changed, name)| has_changed.then_some(name))
    .collect();
    if changes.is_empty() {
        return Ok(());
    }
    let event = ContactEvent { changes: &changes, merged, ..ContactEvent::in_scope(scope, contact, now) };
    contact_events::emit_contact(connection, &event)
}

fn get_identifiers(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<IdentifierRow> {
    let row = IdentifierRow::find(connection, (workspace.as_bytes(), contact.as_bytes()))?;
    Ok(row.unwrap_or_default())
}

/// Deletes the old number in all its spellings, and moves the queued messages to the new number.
fn replace_number(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    old: &str,
    new: &str,
) -> SqlResult<()> {
    let spellings = PhoneNumber::from_wa_id(old).map(|number| number.variants()).unwrap_or_default();
    let spellings = spellings.iter().map(PhoneNumber::digits).chain([old]);
    for spelling in spellings.filter(|spelling| *spelling != new) {
        connection
            .prepare_cached(
                "delete from contact_numbers where workspace_id = ?1 and contact_id = ?2 and wa_id = ?3",
            )?
            .execute_any((workspace.as_bytes(), contact.as_bytes(), spelling))?;
        connection
            .prepare_cached(
                "update messages set wa_id = ?4
                 where workspace_id = ?1 and contact_id = ?2 and wa_id = ?3 and status = 'queued'
                   and direction = 'outbound' and worker_id is null",
            )?
            .execute_any((workspace.as_bytes(), contact.as_bytes(), spelling, new))?;
    }
    Ok(())
}
