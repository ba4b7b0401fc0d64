//! Full-text indexes of messages and contacts.
//!
//! **Invariant:** a message that is accepted is not added in its transaction: the rows after `indexed_to` and the changes
//! are added later, in batches. Triggers remove the rows of erased and deleted messages and contacts.

use domain::json::Value;
use domain::messages::search::{number_ends, search_text};
use rusqlite::Connection;

use crate::error::{SqlError, SqlResult};
use crate::row::{Cells, SelectRow as _, row};
use crate::sqlite::execute::Execute as _;

row! {
    pub(crate) struct ProgressRow {
        /// Last message that is in the index, or was examined for it.
        indexed_to: i64 = get "indexed_to",
        /// Last message of an older version that is not in the index yet.
        backfill_to: i64 = get "backfill_to",
    } from "search_progress where id = 1"
}

impl ProgressRow {
    pub(crate) fn get(connection: &Connection) -> SqlResult<Self> {
        Self::find(connection, ())?.ok_or(SqlError::Bug("the progress of the search index is missing"))
    }
}

/// Returns `true` if messages or contacts are to be added.
pub(crate) fn get_backlog(connection: &Connection) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from contact_search_changes) or exists (select 1 from message_search_changes)
             or exists (select 1 from messages where seq > (select indexed_to from search_progress))
             or exists (select 1 from messages where seq <= (select backfill_to from search_progress))",
    )?;
    Ok(statement.query_row((), |row| row.get(0))?)
}

/// Adds messages and contacts, at most `limit`: first what has changed, then new messages, then messages of an older
/// version. Returns their number.
pub(crate) fn update_index(connection: &Connection, limit: u32) -> SqlResult<u32> {
    let mut left = limit;
    for step in [add_contacts, add_changed_messages, add_new_messages, backfill_messages] {
        left = left.saturating_sub(step(connection, left)?);
    }
    Ok(limit.saturating_sub(left))
}

fn count<T>(rows: &[T]) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

row! {
    struct ContactRow {
        seq: i64 = get "contacts.seq",
        contact: [u8; 16] = get "contacts.id",
        name: Option<String> = get "contacts.name",
        profile_name: Option<String> = get "contacts.profile_name",
        username: Option<String> = get "contacts.username",
    }
}

row! {
    struct NumberRow {
        wa_id: String = get "wa_id",
    } from "contact_numbers where contact_id = ?1"
}

/// Entry of an index: `rowid` and the two columns.
pub(crate) struct SearchEntry {
    pub(crate) seq: i64,
    pub(crate) columns: [String; 2],
}

impl SearchEntry {
    fn of_contact(connection: &Connection, row: ContactRow) -> SqlResult<Self> {
        let names: Vec<String> = [row.name, row.profile_name, row.username].into_iter().flatten().collect();
        let mut numbers = Vec::new();
        for NumberRow { wa_id } in NumberRow::list(connection, [row.contact])? {
            numbers.extend(number_ends(&wa_id).map(str::to_owned));
        }
        Ok(Self { seq: row.seq, columns: [names.join("\n"), numbers.join(" ")] })
    }

    fn of_message(row: MessageRow) -> Self {
        // A content that is not JSON has no words.
        let content = row.content.and_then(|content| serde_json::from_str::<Value>(&content).ok());
        let body = content.as_ref().map(search_text).unwrap_or_default();
        Self { seq: row.seq, columns: [body, row.reference.unwrap_or_default()] }
    }

    fn is_empty(&self) -> bool {
        self.columns.iter().all(String::is_empty)
    }
}

/// Reads contacts that have changed since they were added. `end` is the end of the query.
fn list_contacts(
    connection: &Connection,
    end: &str,
    parameters: impl rusqlite::Params,
) -> SqlResult<Vec<SearchEntry>> {
    let sql = format!(
        "select {} from contact_search_changes x cross join contacts on contacts.seq = x.contact_seq {end}",
        ContactRow::COLUMNS
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        let row = ContactRow::read(&mut Cells::new("contacts", row))?;
        list.push(SearchEntry::of_contact(connection, row)?);
    }
    Ok(list)
}

/// Returns the entries of contacts that have changed since they were added, the newest first.
pub(crate) fn list_changed_contacts(
    connection: &Connection,
    workspace: &[u8; 16],
    limit: u32,
) -> SqlResult<Vec<SearchEntry>> {
    let end = "where contacts.workspace_id = ?1 order by x.contact_seq desc limit ?2";
    list_contacts(connection, end, (workspace, limit))
}

fn add_contacts(connection: &Connection, limit: u32) -> SqlResult<u32> {
    let entries = list_contacts(connection, "order by x.contact_seq limit ?1", [limit])?;
    for SearchEntry { seq, columns: [names, numbers] } in &entries {
        connection
            .prepare_cached(
                "insert or replace into contact_search (rowid, names, numbers) values (?1, ?2, ?3)",
            )?
            .execute_any((seq, names, numbers))?;
        connection
            .prepare_cached("delete from contact_search_changes where contact_seq = ?1")?
            .execute_one([seq])?;
    }
    Ok(count(&entries))
}

row! {
    struct MessageRow {
        seq: i64 = get "messages.seq",
        content: Option<String> = get "messages.content",
        reference: Option<String> = get "messages.client_reference",
    }
}

/// Reads messages. The query has the columns of [`MessageRow`].
fn list_messages(
    connection: &Connection,
    source: &str,
    parameters: impl rusqlite::Params,
) -> SqlResult<Vec<MessageRow>> {
    let sql = format!("select {} from {source}", MessageRow::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(parameters)?;
    let mut list = Vec::new();
    while let Some(row) = rows.next()? {
        list.push(MessageRow::read(&mut Cells::new("messages", row))?);
    }
    Ok(list)
}

/// Returns the entries of messages that are not in the index yet, the newest first.
pub(crate) fn list_new_messages(
    connection: &Connection,
    workspace: &[u8; 16],
    limit: u32,
) -> SqlResult<Vec<SearchEntry>> {
    let ProgressRow { indexed_to, .. } = ProgressRow::get(connection)?;
    let new =
        "messages where workspace_id = ?1 and seq > ?2 and erased_at is null order by seq desc limit ?3";
    let changed = "message_search_changes x cross join messages on messages.seq = x.message_seq
                   where messages.workspace_id = ?1 order by x.message_seq desc limit ?2";
    let mut rows = list_messages(connection, new, (workspace, indexed_to, limit))?;
    rows.extend(list_messages(connection, changed, (workspace, limit))?);
    Ok(rows.into_iter().map(SearchEntry::of_message).collect())
}

fn add_messages(connection: &Connection, rows: Vec<MessageRow>) -> SqlResult<()> {
    for entry in rows.into_iter().map(SearchEntry::of_message).filter(|entry| !entry.is_empty()) {
        let SearchEntry { seq, columns: [body, reference] } = entry;
        connection
            .prepare_cached(
                "insert or replace into message_search (rowid, body, reference) values (?1, ?2, ?3)",
            )?
            .execute_any((seq, body, reference))?;
    }
    Ok(())
}

fn add_changed_messages(connection: &Connection, limit: u32) -> SqlResult<u32> {
    let source = "message_search_changes x cross join messages on messages.seq = x.message_seq
                  order by x.message_seq limit ?1";
    let rows = list_messages(connection, source, [limit])?;
    let n_rows = count(&rows);
    for row in &rows {
        connection
            .prepare_cached("delete from message_search_changes where message_seq = ?1")?
            .execute_one([row.seq])?;
    }
    add_messages(connection, rows)?;
    Ok(n_rows)
}

fn add_new_messages(connection: &Connection, limit: u32) -> SqlResult<u32> {
    let ProgressRow { indexed_to, .. } = ProgressRow::get(connection)?;
    let source = "messages where seq > ?1 order by seq limit ?2";
    let rows = list_messages(connection, source, (indexed_to, limit))?;
    let n_rows = count(&rows);
    if let Some(last) = rows.last() {
        connection
            .prepare_cached("update search_progress set indexed_to = ?1 where id = 1")?
            .execute_one([last.seq])?;
    }
    add_messages(connection, rows)?;
    Ok(n_rows)
}

fn backfill_messages(connection: &Connection, limit: u32) -> SqlResult<u32> {
    let ProgressRow { backfill_to, .. } = ProgressRow::get(connection)?;
    if backfill_to == 0 || limit == 0 {
        return Ok(0);
    }
    let source = "messages where seq <= ?1 order by seq desc limit ?2";
    let rows = list_messages(connection, source, (backfill_to, limit))?;
    let n_rows = count(&rows);
    let next = rows.last().map_or(0, |row| row.seq.saturating_sub(1));
    connection
        .prepare_cached("update search_progress set backfill_to = ?1 where id = 1")?
        .execute_one([next])?;
    add_messages(connection, rows)?;
    Ok(n_rows)
}
