//! People who go by another number or user id from some time on.
//!
//! A number that is left may later belong to somebody else: what was done with it before that time is the person's who
//! left it, whenever we hear of it, and what comes after it is a stranger's.

use domain::contacts::phone::PhoneNumber;
use domain::id::{AccountId, ContactId, WorkspaceId};
use domain::webhooks_in::update::{NumberChange, WhatsAppUser};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::contacts::resolve;
use crate::error::SqlResult;
use crate::events::event_payloads;
use crate::row::{Cells, micros};

/// How many moves of one person are followed.
const MAX_MOVES: usize = 16;

/// Who somebody is by now who went by these ids at `at`.
pub(crate) fn of_then(
    connection: &Connection,
    workspace: WorkspaceId,
    then: &WhatsAppUser,
    at: Timestamp,
) -> SqlResult<WhatsAppUser> {
    let mut person = then.clone();
    let mut since = micros(at);
    for _ in 0..MAX_MOVES {
        let by_number = match &person.wa_id {
            Some(wa_id) => left(connection, workspace, wa_id, since)?,
            None => None,
        };
        let by_user = match &person.user_id {
            Some(user_id) => left(connection, workspace, user_id, since)?,
            None => None,
        };
        if by_number.is_none() && by_user.is_none() {
            break;
        }
        for left in [by_number, by_user].into_iter().flatten() {
            person.wa_id = left.wa_id.or(person.wa_id);
            person.user_id = left.user_id.or(person.user_id);
            // Later ones only, or somebody who came back would go round in circles.
            since = since.max(left.at.saturating_add(1));
        }
    }
    Ok(person)
}

/// When an id was left, and for which number and user id.
struct Left {
    at: i64,
    wa_id: Option<String>,
    user_id: Option<String>,
}

fn left(
    connection: &Connection,
    workspace: WorkspaceId,
    old_id: &str,
    since: i64,
) -> SqlResult<Option<Left>> {
    let mut statement = connection.prepare_cached(
        "select changed_at, wa_id, bsuid from number_changes where workspace_id = ?1 and old_id = ?2 and changed_at >= ?3",
    )?;
    let found = statement
        .query_row((workspace.as_bytes(), old_id, since), |row| {
            Ok(Left { at: row.get(0)?, wa_id: row.get(1)?, user_id: row.get(2)? })
        })
        .optional()?;
    Ok(found)
}

/// Whether somebody has left this number.
pub(crate) fn was_left(connection: &Connection, workspace: WorkspaceId, wa_id: &str) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from number_changes where workspace_id = ?1 and old_id = ?2)",
    )?;
    Ok(statement.query_row((workspace.as_bytes(), wa_id), |row| row.get(0))?)
}

/// Takes a move, and says whose it was.
pub(crate) fn take(
    connection: &Connection,
    place: (WorkspaceId, AccountId),
    fresh: ContactId,
    moved: &NumberChange,
    now: Timestamp,
) -> SqlResult<ContactId> {
    let (workspace, _) = place;
    let named = WhatsAppUser { name: None, username: None, ..moved.from.clone() };
    // Several of our numbers may tell of the same move, and a later move may have been told before this one.
    let to = of_then(connection, workspace, &moved.to, moved.at)?;
    remember(connection, workspace, moved, &to)?;
    let person = WhatsAppUser {
        wa_id: to.wa_id.clone().or(named.wa_id.clone()),
        user_id: to.user_id.clone().or(named.user_id.clone()),
        name: moved.from.name.clone(),
        username: moved.from.username.clone(),
    };
    match resolve::known(connection, workspace, &named)? {
        Some(contact) => {
            relocate(connection, place, contact, (&named, &to), now)?;
            Ok(contact)
        }
        None => resolve::recognise(connection, place, fresh, &person, now),
    }
}

fn remember(
    connection: &Connection,
    workspace: WorkspaceId,
    moved: &NumberChange,
    to: &WhatsAppUser,
) -> SqlResult<()> {
    let old_ids = [
        moved.from.wa_id.as_ref().filter(|old| to.wa_id.as_ref().is_some_and(|new| new != *old)),
        moved.from.user_id.as_ref().filter(|old| to.user_id.as_ref().is_some_and(|new| new != *old)),
    ];
    for old_id in old_ids.into_iter().flatten() {
        connection
            .prepare_cached(
                "insert into number_changes (workspace_id, old_id, changed_at, wa_id, bsuid) values (?1, ?2, ?3, ?4, ?5)
                 on conflict (workspace_id, old_id) do update set
                     changed_at = excluded.changed_at, wa_id = excluded.wa_id, bsuid = excluded.bsuid
                 where excluded.changed_at > number_changes.changed_at",
            )?
            .execute((workspace.as_bytes(), old_id, micros(moved.at), &moved.to.wa_id, &moved.to.user_id))?;
    }
    Ok(())
}

/// Gives a contact its new ids. Whoever has them already turns out to be the same person.
fn relocate(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    contact: ContactId,
    (from, to): (&WhatsAppUser, &WhatsAppUser),
    now: Timestamp,
) -> SqlResult<()> {
    let before = ids(connection, workspace, contact)?;
    let (mut new_user_id, mut merged) = (to.user_id.clone(), None);
    if let Some(wa_id) = &to.wa_id {
        match resolve::by_number(connection, workspace, wa_id)? {
            Some(found) if found == contact => {}
            Some(found) => {
                // They wrote from the new number before we heard of it: what they are called there is newer.
                new_user_id = new_user_id.or(ids(connection, workspace, found)?.1);
                resolve::merge(connection, workspace, contact, found)?;
                merged = Some(found);
            }
            None => resolve::add_number(connection, workspace, contact, wa_id)?,
        }
        for left in [&from.wa_id, &before.0].into_iter().flatten() {
            leave(connection, workspace, contact, (left, wa_id))?;
        }
    }
    if let Some(user_id) = &new_user_id
        && let Some(found) = resolve::by_user(connection, workspace, user_id)?
        && found != contact
    {
        resolve::merge(connection, workspace, contact, found)?;
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
    event_payloads::person(connection, (workspace, Some(account)), contact, (&changes, merged), now)
}

/// A number and a user id.
type Ids = (Option<String>, Option<String>);

/// Those of a contact.
fn ids(connection: &Connection, workspace: WorkspaceId, contact: ContactId) -> SqlResult<Ids> {
    let mut statement =
        connection.prepare_cached("select wa_id, bsuid from contacts where workspace_id = ?1 and id = ?2")?;
    let mut rows = statement.query((workspace.as_bytes(), contact.as_bytes()))?;
    let Some(row) = rows.next()? else { return Ok((None, None)) };
    let mut cells = Cells::new("contacts", row);
    Ok((cells.get()?, cells.get()?))
}

/// The old number is nobody's any more, in none of its spellings; what waits for it goes to the new one.
fn leave(
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
