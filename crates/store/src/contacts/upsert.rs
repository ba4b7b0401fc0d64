//! Creation and update of contacts by an application.
//!
//! **Invariant:** a change and its event are written in one transaction. An update that changes nothing writes no
//! event.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::check::Patch;
use domain::contacts::contact::{ContactChange, MAX_CUSTOM_FIELDS};
use domain::contacts::phone::{Bsuid, PhoneNumber};
use domain::id::{ContactId, WorkspaceId};
use engine::ports::{Contact, ContactEnd, ContactPut, ContactTarget};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::access::audit;
use crate::contacts;
use crate::contacts::contact_fields::ContactFields;
use crate::contacts::{contact_events, lookup, numbers, tags};
use crate::error::{SqlError, SqlResult};
use crate::row::micros;

/// Writes things down about people, one after the other; a rehearsal, which is no act, takes all of it back.
pub(crate) fn upsert_contacts(
    connection: &Connection,
    workspace: WorkspaceId,
    puts: &[ContactPut],
    (act, now): (Option<&AuditEntry>, Timestamp),
) -> SqlResult<Vec<ContactEnd>> {
    connection.prepare_cached("savepoint contacts")?.execute(())?;
    let ends: SqlResult<Vec<_>> =
        puts.iter().map(|put| upsert_contact(connection, workspace, put, now)).collect();
    if act.is_none() {
        connection.prepare_cached("rollback to contacts")?.execute(())?;
    }
    connection.prepare_cached("release contacts")?.execute(())?;
    let ends = ends?;
    if let Some(act) = act {
        insert_audit_entry(connection, act, &ends)?;
    }
    Ok(ends)
}

/// Writes down in the audit log what was done: ids and counts, no names and no numbers.
fn insert_audit_entry(connection: &Connection, act: &AuditEntry, ends: &[ContactEnd]) -> SqlResult<()> {
    let (mut n_created, mut n_updated) = (0_i64, 0_i64);
    let mut changed = None;
    for end in ends {
        match end {
            ContactEnd::Created(contact) => {
                n_created += 1;
                changed = Some((contact.id, AuditAction::ContactAdded));
            }
            ContactEnd::Updated(contact) => {
                n_updated += 1;
                changed = Some((contact.id, AuditAction::ContactChanged));
            }
            ContactEnd::Unchanged(_)
            | ContactEnd::Taken(_)
            | ContactEnd::NotFound
            | ContactEnd::Nameless
            | ContactEnd::TooManyFields(_) => {}
        }
    }
    let Some((id, action)) = changed else { return Ok(()) };
    let act = act.clone();
    let act = if act.subject.kind == AuditTargetKind::Contact {
        let subject = AuditTarget { id: id.to_string(), ..act.subject };
        AuditEntry { action, subject, ..act }
    } else {
        act.with("created", n_created).with("updated", n_updated)
    };
    audit::insert_entry(connection, &act)
}

fn upsert_contact(
    connection: &Connection,
    workspace: WorkspaceId,
    put: &ContactPut,
    now: Timestamp,
) -> SqlResult<ContactEnd> {
    let change = &put.change;
    let owner = find_owner(connection, workspace, change)?;
    let known = match (put.target, owner) {
        (ContactTarget::New, IdentifierOwner::One(taken)) | (_, IdentifierOwner::Two(taken)) => {
            return Ok(ContactEnd::Taken(taken));
        }
        (ContactTarget::Known(id), IdentifierOwner::One(taken)) if taken != id => {
            return Ok(ContactEnd::Taken(taken));
        }
        (ContactTarget::Known(id), _) => Some(id),
        (ContactTarget::Whoever, IdentifierOwner::One(id)) => Some(id),
        (ContactTarget::New | ContactTarget::Whoever, IdentifierOwner::Nobody) => None,
    };
    let Some(id) = known else { return insert_contact(connection, workspace, put, now) };
    let Some((before, profile_name)) = ContactFields::read(connection, workspace, id)? else {
        return Ok(ContactEnd::NotFound);
    };
    let mut after = before.after(change, profile_name.as_deref(), (put.reason, now));
    if put.target == ContactTarget::Whoever && is_same_number(&before, &after) {
        // Another spelling of a number that we know: Meta's own stays.
        after.wa_id.clone_from(&before.wa_id);
    }
    if let Some(end) = check_fields(&after) {
        return Ok(end);
    }
    let changes = before.changes(&after);
    if changes.is_empty() {
        return Ok(ContactEnd::Unchanged(get_existing(connection, workspace, id)?));
    }
    after.write(connection, workspace, id, now)?;
    if before.wa_id != after.wa_id {
        update_numbers(connection, workspace, id, &before, &after)?;
    }
    if before.tags != after.tags {
        tags::replace_tags(connection, workspace, id, &after.tags)?;
    }
    contact_events::emit_contact(connection, (workspace, None), id, (&changes, None), now)?;
    Ok(ContactEnd::Updated(get_existing(connection, workspace, id)?))
}

fn insert_contact(
    connection: &Connection,
    workspace: WorkspaceId,
    put: &ContactPut,
    now: Timestamp,
) -> SqlResult<ContactEnd> {
    let card = ContactFields::empty().after(&put.change, None, (put.reason, now));
    if let Some(end) = check_fields(&card) {
        return Ok(end);
    }
    let id = put.fresh;
    connection
        .prepare_cached(
            "insert into contacts (id, workspace_id, created_at, updated_at) values (?1, ?2, ?3, ?3)",
        )?
        .execute((id.as_bytes(), workspace.as_bytes(), micros(now)))?;
    card.write(connection, workspace, id, now)?;
    if let Some(wa_id) = &card.wa_id {
        numbers::insert_number(connection, workspace, id, wa_id)?;
    }
    tags::replace_tags(connection, workspace, id, &card.tags)?;
    contact_events::emit_contact(connection, (workspace, None), id, (&[], None), now)?;
    Ok(ContactEnd::Created(get_existing(connection, workspace, id)?))
}

fn get_existing(connection: &Connection, workspace: WorkspaceId, id: ContactId) -> SqlResult<Contact> {
    contacts::records::get_contact(connection, workspace, id)?
        .ok_or(SqlError::Bug("a contact that was written is not there"))
}

/// Why a card cannot be.
fn check_fields(card: &ContactFields) -> Option<ContactEnd> {
    if card.wa_id.is_none() && card.user_id.is_none() {
        return Some(ContactEnd::Nameless);
    }
    let n_fields = card.custom_fields.len();
    (n_fields > MAX_CUSTOM_FIELDS).then_some(ContactEnd::TooManyFields(n_fields))
}

/// Who has the number and the user id of a change.
#[derive(Clone, Copy)]
enum IdentifierOwner {
    Nobody,
    One(ContactId),
    /// The number is one person's, the user id another's: this is whose user id it is.
    Two(ContactId),
}

fn find_owner(
    connection: &Connection,
    workspace: WorkspaceId,
    change: &ContactChange,
) -> SqlResult<IdentifierOwner> {
    let number: Option<&PhoneNumber> = given(&change.phone_number);
    let user: Option<&Bsuid> = given(&change.user_id);
    let by_number = match number {
        Some(number) => lookup::find_by_any_spelling(connection, workspace, number.digits())?,
        None => None,
    };
    let by_user = match user {
        Some(user) => lookup::find_by_bsuid(connection, workspace, user.as_str())?,
        None => None,
    };
    Ok(match (by_number, by_user) {
        (Some(one), Some(other)) if one != other => IdentifierOwner::Two(other),
        (Some(one), _) | (None, Some(one)) => IdentifierOwner::One(one),
        (None, None) => IdentifierOwner::Nobody,
    })
}

fn given<T>(change: &Patch<T>) -> Option<&T> {
    match change {
        Patch::Set(value) => Some(value),
        Patch::Keep | Patch::Clear => None,
    }
}

/// Whether two cards have spellings of one number.
fn is_same_number(before: &ContactFields, after: &ContactFields) -> bool {
    let number =
        |card: &ContactFields| card.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok());
    number(before).zip(number(after)).is_some_and(|(before, after)| before.is_same_person(&after))
}

/// Makes the new number the one by which the person is found; the old ones are nobody's, unless all are one number.
fn update_numbers(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    before: &ContactFields,
    after: &ContactFields,
) -> SqlResult<()> {
    if !is_same_number(before, after) {
        connection
            .prepare_cached("delete from contact_numbers where workspace_id = ?1 and contact_id = ?2")?
            .execute((workspace.as_bytes(), contact.as_bytes()))?;
    }
    if let Some(wa_id) = &after.wa_id {
        connection
            .prepare_cached(
                "insert into contact_numbers (workspace_id, wa_id, contact_id) values (?1, ?2, ?3)
                 on conflict (workspace_id, wa_id) do nothing",
            )?
            .execute((workspace.as_bytes(), wa_id, contact.as_bytes()))?;
    }
    Ok(())
}
