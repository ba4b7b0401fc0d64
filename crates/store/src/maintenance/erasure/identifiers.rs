//! Identifiers of a contact that is erased.

use std::collections::{BTreeMap, BTreeSet};

use domain::contacts::phone::PhoneNumber;
use domain::id::{ContactId, WorkspaceId};
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::row::{SelectRow as _, json, row};
use crate::sqlite::execute::Execute as _;

/// Identifiers of a contact: numbers in every spelling, and business-scoped user IDs.
pub(crate) struct Identifiers {
    pub(crate) current: BTreeSet<String>,
    /// Identifiers that belong to another contact now, each with the time in microseconds until which they belonged to
    /// this contact.
    pub(crate) former: BTreeMap<String, i64>,
}

/// Collects the present and former identifiers of a contact. Returns `None` if the contact does not exist.
pub(crate) fn collect_identifiers(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
) -> SqlResult<Option<Identifiers>> {
    let keys = (workspace.as_bytes(), contact.as_bytes());
    let Some(OwnRow { wa_id, user_id }) = OwnRow::find(connection, keys)? else { return Ok(None) };
    let mut numbers: BTreeSet<String> = wa_id.into_iter().collect();
    let mut users: BTreeSet<String> = user_id.into_iter().collect();
    let read = |sql: &str, into: &mut BTreeSet<String>| -> SqlResult<()> {
        let mut statement = connection.prepare_cached(sql)?;
        for identifier in statement.query_map(keys, |row| row.get::<_, String>(0))? {
            into.insert(identifier?);
        }
        Ok(())
    };
    read("select wa_id from contact_numbers where workspace_id = ?1 and contact_id = ?2", &mut numbers)?;
    let of_messages = |column| {
        format!(
            "select distinct {column} from messages
             where workspace_id = ?1 and contact_id = ?2 and {column} is not null"
        )
    };
    read(&of_messages("wa_id"), &mut numbers)?;
    read(&of_messages("bsuid"), &mut users)?;
    add_former(connection, workspace, &mut numbers, &mut users)?;
    let spellings = |number: &String| {
        let variants = PhoneNumber::from_wa_id(number).map(|number| number.variants()).unwrap_or_default();
        variants.into_iter().map(|variant| variant.digits().to_owned()).collect::<Vec<_>>()
    };
    let variants: Vec<String> = numbers.iter().flat_map(spellings).collect();
    numbers.extend(variants);
    numbers.append(&mut users);
    let mut identifiers = Identifiers { current: BTreeSet::new(), former: BTreeMap::new() };
    for identifier in numbers {
        match reassigned_at(connection, workspace, contact, &identifier)? {
            Some(at) => drop(identifiers.former.insert(identifier, at)),
            None => drop(identifiers.current.insert(identifier)),
        }
    }
    Ok(Some(identifiers))
}

row! {
    struct OwnRow {
        wa_id: Option<String> = get "wa_id",
        user_id: Option<String> = get "bsuid",
    } from "contacts where workspace_id = ?1 and id = ?2"
}

/// Adds the identifiers that were replaced by one of these identifiers, directly or in several changes.
fn add_former(
    connection: &Connection,
    workspace: WorkspaceId,
    numbers: &mut BTreeSet<String>,
    users: &mut BTreeSet<String>,
) -> SqlResult<()> {
    loop {
        let n_identifiers = numbers.len().saturating_add(users.len());
        for old_id in list_former(connection, workspace, numbers, users)? {
            // A number consists of digits; a business-scoped user ID does not.
            let is_number = old_id.bytes().all(|byte| byte.is_ascii_digit());
            if is_number {
                numbers.insert(old_id)
            } else {
                users.insert(old_id)
            };
        }
        if numbers.len().saturating_add(users.len()) == n_identifiers {
            return Ok(());
        }
    }
}

/// Lists the identifiers that were replaced by one of these.
fn list_former(
    connection: &Connection,
    workspace: WorkspaceId,
    numbers: &BTreeSet<String>,
    users: &BTreeSet<String>,
) -> SqlResult<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select old_id from number_changes where workspace_id = ?1 and wa_id in (select value from json_each(?2))
         union
         select old_id from number_changes where workspace_id = ?1 and bsuid in (select value from json_each(?3))",
    )?;
    let rows = statement
        .query_map((workspace.as_bytes(), json(numbers)?, json(users)?), |row| row.get::<_, String>(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Returns the time since which an identifier belongs to another contact, in microseconds.
fn reassigned_at(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    identifier: &str,
) -> SqlResult<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "select coalesce((select m.changed_at from number_changes m where m.workspace_id = ?1 and m.old_id = ?3), c.created_at)
         from contacts c
         where c.workspace_id = ?1 and c.id <> ?2
           and (c.bsuid = ?3
                or c.id in (select contact_id from contact_numbers where workspace_id = ?1 and wa_id = ?3))
         limit 1",
    )?;
    Ok(statement
        .query_row((workspace.as_bytes(), contact.as_bytes(), identifier), |row| row.get(0))
        .optional()?)
}

/// Deletes the number changes of the contact.
pub(crate) fn delete_number_changes(
    connection: &Connection,
    workspace: WorkspaceId,
    identifiers: &[String],
    former: &BTreeMap<String, i64>,
) -> SqlResult<()> {
    let former_ids: Vec<_> = former.keys().collect();
    connection
        .prepare_cached(
            "delete from number_changes
             where workspace_id = ?1
               and (old_id in (select value from json_each(?2)) or wa_id in (select value from json_each(?2))
                    or bsuid in (select value from json_each(?2))
                    -- The identifier belongs to another contact now; this contact's change is deleted, too.
                    or old_id in (select value from json_each(?3))
                       and changed_at <= (select value from json_each(?4) where key = number_changes.old_id))",
        )?
        .execute_any((workspace.as_bytes(), json(&identifiers)?, json(&former_ids)?, json(former)?))
}
