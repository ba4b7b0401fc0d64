//! Resolution of WhatsApp users to contacts.

use domain::contacts::whatsapp_user::WhatsAppUser;
use domain::id::{AccountId, ContactId, WorkspaceId};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::contacts::{contact_events, lookup, merge, number_changes, numbers};
use crate::error::SqlResult;
use crate::row::micros;

/// Creates a contact and emits its event.
pub(crate) fn create_contact(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    person: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into contacts (
                 id, workspace_id, wa_id, bsuid, profile_name, username, created_at, updated_at)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
        )?
        .execute((
            contact.as_bytes(),
            workspace.as_bytes(),
            &person.wa_id,
            &person.user_id,
            &person.name,
            &person.username,
            micros(now),
        ))?;
    if let Some(wa_id) = &person.wa_id {
        numbers::insert_number(connection, workspace, contact, wa_id)?;
    }
    contact_events::emit_contact(connection, (workspace, Some(account)), contact, (&[], None), now)
}

/// Returns the contact of a WhatsApp user. Creates the contact as `fresh` if it does not exist, and merges two
/// contacts if the two identifiers belong to two.
pub(crate) fn resolve_contact(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    new_id: ContactId,
    person: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<ContactId> {
    let Some(contact) = lookup::find_by_identifiers(connection, workspace, person)? else {
        create_contact(connection, (workspace, account), new_id, person, now)?;
        return Ok(new_id);
    };
    enrich_contact(connection, (workspace, account), contact, person, now)?;
    Ok(contact)
}

/// Adds newly received data to a contact: another spelling of the number, a business-scoped user ID, a profile name.
/// If another contact has one of these identifiers, that contact is merged into `contact`.
pub(crate) fn enrich_contact(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    person: &WhatsAppUser,
    now: Timestamp,
) -> SqlResult<()> {
    // The row is read and compared first: usually nothing is new, and nothing is written.
    let known: Option<KnownIdentity> = connection
        .prepare_cached(
            "select wa_id, bsuid, profile_name, username, name is not null from contacts
             where workspace_id = ?1 and id = ?2",
        )?
        .query_row((workspace.as_bytes(), contact.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .optional()?;
    let Some((known_wa_id, known_user_id, known_name, known_username, has_own_name)) = known else {
        return Ok(());
    };
    let mut merged = None;
    if let Some(wa_id) = &person.wa_id
        && known_wa_id.as_ref() != Some(wa_id)
    {
        match lookup::find_by_number(connection, workspace, wa_id)? {
            Some(found) if found == contact => {}
            Some(found) => {
                merge::merge_contacts(connection, workspace, contact, found)?;
                merged = Some(found);
            }
            // A late report about a number that the person has given up since: the number belongs to nobody until
            // somebody writes from it.
            None if known_wa_id.is_some() && number_changes::is_former(connection, workspace, wa_id)? => {}
            None => numbers::insert_number(connection, workspace, contact, wa_id)?,
        }
    }
    let is_new_user = person.user_id.is_some() && person.user_id != known_user_id;
    if let Some(user_id) = person.user_id.as_ref().filter(|_| is_new_user)
        && let Some(found) = lookup::find_by_bsuid(connection, workspace, user_id)?
        && found != contact
    {
        merge::merge_contacts(connection, workspace, contact, found)?;
        merged = Some(found);
    }
    let is_new_name = person.name.is_some() && person.name != known_name;
    let is_new_username = person.username.is_some() && person.username != known_username;
    let is_new_number = known_wa_id.is_none() && person.wa_id.is_some();
    if is_new_user || is_new_name || is_new_number || is_new_username {
        connection
            .prepare_cached(
                "update contacts
                 set wa_id = coalesce(wa_id, ?3), bsuid = coalesce(?4, bsuid),
                     profile_name = coalesce(?5, profile_name), username = coalesce(?6, username), updated_at = ?7
                 where workspace_id = ?1 and id = ?2",
            )?
            .execute((
                workspace.as_bytes(),
                contact.as_bytes(),
                &person.wa_id,
                &person.user_id,
                &person.name,
                &person.username,
                micros(now),
            ))?;
    }
    let changes: Vec<_> = [
        (is_new_number, "phone_number"),
        (is_new_user, "user_id"),
        (is_new_name && !has_own_name, "name"),
        (is_new_username, "username"),
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

/// Identifiers and names of a contact: number, business-scoped user ID, profile name, username, and `true` if the
/// application set a name.
type KnownIdentity = (Option<String>, Option<String>, Option<String>, Option<String>, bool);
