//! Resolution of WhatsApp users to contacts.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{ContactId, WorkspaceId};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::contacts::contact_events::ContactEvent;
use crate::contacts::{contact_events, lookup, merge, number_changes, numbers};
use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Creates a contact and emits its event.
pub(crate) fn create_contact(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    user: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into contacts (
                 id, workspace_id, wa_id, bsuid, profile_name, username, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )?
        .execute_one((
            contact.as_bytes(),
            scope.workspace.as_bytes(),
            &user.wa_id,
            &user.user_id,
            &user.name,
            &user.username,
            micros(now),
        ))?;
    if let Some(wa_id) = &user.wa_id {
        numbers::insert_number(connection, scope.workspace, contact, wa_id)?;
    }
    contact_events::emit_contact(connection, &ContactEvent::in_scope(scope, contact, now))
}

/// Returns the contact of a WhatsApp user. Creates the contact as `new_id` if it does not exist, and merges two
/// contacts if each of them has one of the user's identifiers.
pub(crate) fn resolve_contact(
    connection: &Connection,
    scope: Scope,
    new_id: ContactId,
    user: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<ContactId> {
    let Some(contact) = lookup::find_by_identifiers(connection, scope.workspace, user)? else {
        create_contact(connection, scope, new_id, user, now)?;
        return Ok(new_id);
    };
    enrich_contact(connection, scope, contact, user, now)?;
    Ok(contact)
}

row! {
    /// Identifiers and names of a contact.
    struct KnownIdentity {
        wa_id: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
        profile_name: Option<String> = get "profile_name",
        username: Option<String> = get "username",
        /// `true` if the application set a name.
        has_own_name: bool = flag "name is not null",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

/// Adds newly received data to a contact: another spelling of the number, a business-scoped user ID, a profile name.
/// If another contact has one of these identifiers, that contact is merged into `contact`.
pub(crate) fn enrich_contact(
    connection: &Connection,
    scope: Scope,
    contact: ContactId,
    user: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    let workspace = scope.workspace;
    // The row is read and compared first: usually nothing is new, and nothing is written.
    let Some(known) = KnownIdentity::find(connection, (workspace.as_bytes(), contact.as_bytes()))? else {
        return Ok(());
    };
    let mut merged = add_number(connection, workspace, contact, &known, user)?;
    let is_new_user_id = user.user_id.is_some() && user.user_id != known.user_id;
    if let Some(user_id) = user.user_id.as_ref().filter(|_| is_new_user_id) {
        merged = merge::merge_owner_of_bsuid(connection, workspace, contact, user_id)?.or(merged);
    }
    let is_new_name = user.name.is_some() && user.name != known.profile_name;
    let is_new_username = user.username.is_some() && user.username != known.username;
    let is_new_number = known.wa_id.is_none() && user.wa_id.is_some();
    if is_new_user_id || is_new_name || is_new_number || is_new_username {
        update_identity(connection, workspace, contact, user, now)?;
    }
    let changes: Vec<_> = [
        (is_new_number, "phone_number"),
        (is_new_user_id, "user_id"),
        (is_new_name && !known.has_own_name, "name"),
        (is_new_username, "username"),
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

/// Adds the user's number to the contact. Returns the contact that had the number and was merged.
fn add_number(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    known: &KnownIdentity,
    user: &WhatsAppUser,
) -> SqlResult<Option<ContactId>> {
    let Some(wa_id) = user.wa_id.as_ref().filter(|wa_id| known.wa_id.as_ref() != Some(wa_id)) else {
        return Ok(None);
    };
    match lookup::find_by_number(connection, workspace, wa_id)? {
        Some(found) if found == contact => {}
        Some(found) => {
            merge::merge_contacts(connection, workspace, contact, found)?;
            return Ok(Some(found));
        }
        // A late report about a number that the contact has given up since: the number belongs to no contact until
        // a message arrives from it.
        None if known.wa_id.is_some() && number_changes::is_former(connection, workspace, wa_id)? => {}
        None => numbers::insert_number(connection, workspace, contact, wa_id)?,
    }
    Ok(None)
}

fn update_identity(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    user: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update contacts
             set wa_id = coalesce(wa_id, ?3), bsuid = coalesce(?4, bsuid),
                 profile_name = coalesce(?5, profile_name), username = coalesce(?6, username), updated_at = ?7
             where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((
            workspace.as_bytes(),
            contact.as_bytes(),
            &user.wa_id,
            &user.user_id,
            &user.name,
            &user.username,
            micros(now),
        ))
}
