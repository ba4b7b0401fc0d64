//! Creation and update of contacts by an application.
//!
//! **Invariant:** a change and its event are written in one transaction. An update that changes nothing writes no
//! event.

use domain::access::audit::{AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::check::Patch;
use domain::contacts::bsuid::Bsuid;
use domain::contacts::contact::{ContactChange, MAX_CUSTOM_FIELDS};
use domain::contacts::phone::PhoneNumber;
use domain::id::{ContactId, WorkspaceId};
use engine::ports::{Contact, ContactTarget, ContactUpsert, UpsertContactResult};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::access::audit;
use crate::contacts::contact_events::ContactEvent;
use crate::contacts::contact_fields::ContactFields;
use crate::contacts::{contact_events, lookup, numbers, records, tags};
use crate::error::{SqlError, SqlResult};
use crate::row::micros;
use crate::sqlite::execute::Execute as _;

/// Creates or updates contacts, one after the other. A dry run has no audit entry and is rolled back.
pub(crate) fn upsert_contacts(
    connection: &Connection,
    workspace: WorkspaceId,
    upserts: &[ContactUpsert],
    entry: Option<&AuditEntry>,
    now: Timestamp,
) -> SqlResult<Vec<UpsertContactResult>> {
    connection.prepare_cached("savepoint contacts")?.execute_any(())?;
    let results: SqlResult<Vec<_>> =
        upserts.iter().map(|upsert| upsert_contact(connection, workspace, upsert, now)).collect();
    if entry.is_none() {
        connection.prepare_cached("rollback to contacts")?.execute_any(())?;
    }
    connection.prepare_cached("release contacts")?.execute_any(())?;
    let results = results?;
    if let Some(entry) = entry {
        insert_audit_entry(connection, entry, &results)?;
    }
    Ok(results)
}

/// Inserts an audit entry with identifiers and counts, without names and numbers.
fn insert_audit_entry(
    connection: &Connection,
    entry: &AuditEntry,
    results: &[UpsertContactResult],
) -> SqlResult<()> {
    let (mut n_created, mut n_updated) = (0_i64, 0_i64);
    let mut changed = None;
    for result in results {
        match result {
            UpsertContactResult::Created(contact) => {
                n_created += 1;
                changed = Some((contact.id, AuditAction::ContactAdded));
            }
            UpsertContactResult::Updated(contact) => {
                n_updated += 1;
                changed = Some((contact.id, AuditAction::ContactChanged));
            }
            UpsertContactResult::Unchanged(_)
            | UpsertContactResult::Conflict(_)
            | UpsertContactResult::NotFound
            | UpsertContactResult::NoIdentifier
            | UpsertContactResult::TooManyFields(_) => {}
        }
    }
    let Some((id, action)) = changed else { return Ok(()) };
    let entry = entry.clone();
    let entry = if entry.subject.kind == AuditTargetKind::Contact {
        let subject = AuditTarget { id: id.to_string(), ..entry.subject };
        AuditEntry { action, subject, ..entry }
    } else {
        entry.with("created", n_created).with("updated", n_updated)
    };
    audit::insert_entry(connection, &entry)
}

fn upsert_contact(
    connection: &Connection,
    workspace: WorkspaceId,
    upsert: &ContactUpsert,
    now: Timestamp,
) -> SqlResult<UpsertContactResult> {
    let change = &upsert.change;
    let owner = find_owner(connection, workspace, change)?;
    let existing = match (upsert.target, owner) {
        (ContactTarget::New, IdentifierOwner::One(taken)) | (_, IdentifierOwner::Two(taken)) => {
            return Ok(UpsertContactResult::Conflict(taken));
        }
        (ContactTarget::Existing(id), IdentifierOwner::One(taken)) if taken != id => {
            return Ok(UpsertContactResult::Conflict(taken));
        }
        (ContactTarget::Existing(id), _) => Some(id),
        (ContactTarget::Matching, IdentifierOwner::One(id)) => Some(id),
        (ContactTarget::New | ContactTarget::Matching, IdentifierOwner::None) => None,
    };
    let Some(id) = existing else { return insert_contact(connection, workspace, upsert, now) };
    let Some((before, profile_name)) = ContactFields::read(connection, workspace, id)? else {
        return Ok(UpsertContactResult::NotFound);
    };
    let mut after = before.after(change, profile_name.as_deref(), upsert.reason, now);
    if upsert.target == ContactTarget::Matching && is_same_number(&before, &after) {
        // Another spelling of a known number: the stored spelling is Meta's and does not change.
        after.wa_id.clone_from(&before.wa_id);
    }
    if let Some(refusal) = check_fields(&after) {
        return Ok(refusal);
    }
    let changes = before.changes(&after);
    if changes.is_empty() {
        return Ok(UpsertContactResult::Unchanged(get_existing(connection, workspace, id)?));
    }
    after.write(connection, workspace, id, now)?;
    if before.wa_id != after.wa_id {
        update_numbers(connection, workspace, id, &before, &after)?;
    }
    if before.tags != after.tags {
        tags::replace_tags(connection, workspace, id, &after.tags)?;
    }
    let event = ContactEvent { changes: &changes, ..ContactEvent::new(workspace, None, id, now) };
    contact_events::emit_contact(connection, &event)?;
    Ok(UpsertContactResult::Updated(get_existing(connection, workspace, id)?))
}

fn insert_contact(
    connection: &Connection,
    workspace: WorkspaceId,
    upsert: &ContactUpsert,
    now: Timestamp,
) -> SqlResult<UpsertContactResult> {
    let fields = ContactFields::empty().after(&upsert.change, None, upsert.reason, now);
    if let Some(refusal) = check_fields(&fields) {
        return Ok(refusal);
    }
    let id = upsert.new_id;
    connection
        .prepare_cached(
            "insert into contacts (id, workspace_id, created_at, updated_at) values (?1, ?2, ?3, ?3)",
        )?
        .execute_one((id.as_bytes(), workspace.as_bytes(), micros(now)))?;
    fields.write(connection, workspace, id, now)?;
    if let Some(wa_id) = &fields.wa_id {
        numbers::insert_number(connection, workspace, id, wa_id)?;
    }
    tags::replace_tags(connection, workspace, id, &fields.tags)?;
    contact_events::emit_contact(connection, &ContactEvent::new(workspace, None, id, now))?;
    Ok(UpsertContactResult::Created(get_existing(connection, workspace, id)?))
}

fn get_existing(connection: &Connection, workspace: WorkspaceId, id: ContactId) -> SqlResult<Contact> {
    records::get_contact(connection, workspace, id)?
        .ok_or(SqlError::Bug("a contact that was just written does not exist"))
}

/// Returns the reason for which the fields are not valid.
fn check_fields(fields: &ContactFields) -> Option<UpsertContactResult> {
    if fields.wa_id.is_none() && fields.user_id.is_none() {
        return Some(UpsertContactResult::NoIdentifier);
    }
    let n_fields = fields.custom_fields.len();
    (n_fields > MAX_CUSTOM_FIELDS).then_some(UpsertContactResult::TooManyFields(n_fields))
}

/// Contacts that have the number and the business-scoped user ID of a change.
#[derive(Clone, Copy)]
enum IdentifierOwner {
    None,
    One(ContactId),
    /// The number belongs to one contact, the business-scoped user ID to this other contact.
    Two(ContactId),
}

fn find_owner(
    connection: &Connection,
    workspace: WorkspaceId,
    change: &ContactChange,
) -> SqlResult<IdentifierOwner> {
    let number: Option<&PhoneNumber> = set_value(&change.phone_number);
    let user: Option<&Bsuid> = set_value(&change.user_id);
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
        (None, None) => IdentifierOwner::None,
    })
}

fn set_value<T>(change: &Patch<T>) -> Option<&T> {
    match change {
        Patch::Set(value) => Some(value),
        Patch::Unchanged | Patch::Clear => None,
    }
}

/// Returns `true` if the two numbers are spellings of one number.
fn is_same_number(before: &ContactFields, after: &ContactFields) -> bool {
    let number = |fields: &ContactFields| {
        fields.wa_id.as_deref().and_then(|wa_id| PhoneNumber::from_wa_id(wa_id).ok())
    };
    number(before).zip(number(after)).is_some_and(|(before, after)| before.is_same_user(&after))
}

/// Makes the new number the contact's number. Deletes the old numbers, unless they are spellings of the new number.
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
            .execute_any((workspace.as_bytes(), contact.as_bytes()))?;
    }
    if let Some(wa_id) = &after.wa_id {
        connection
            .prepare_cached(
                "insert into contact_numbers (workspace_id, wa_id, contact_id) values (?1, ?2, ?3)
                 on conflict (workspace_id, wa_id) do nothing",
            )?
            .execute_any((workspace.as_bytes(), wa_id, contact.as_bytes()))?;
    }
    Ok(())
}
