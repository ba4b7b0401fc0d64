//! Search of messages.
//!
//! **Invariant:** text of a caller is never a part of the syntax of a search: each word is quoted.
//!
//! A message is found at once: what is not in the index yet is searched in an index in memory.

use domain::id::WorkspaceId;
use domain::messages::search::SearchQuery;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::messages::search_index;
use crate::messages::search_index::SearchEntry;
use crate::row::json;
use crate::sqlite::page::{ListSource, bytes, text};

/// Maximum number of messages, and of contacts, that are searched without the index.
const MAX_TAIL: u32 = 1000;

/// Maximum number of contacts whose messages are read one contact after the other. With more contacts, all messages are
/// read in the order of the list, and most of them match.
const MAX_CONTACTS: usize = 500;

/// Returns the sources of the messages that a search finds; none if it finds nothing.
pub(crate) fn list_sources(
    connection: &Connection,
    workspace: WorkspaceId,
    query: &SearchQuery,
) -> SqlResult<Vec<ListSource>> {
    let mut sources = Vec::new();
    if let Some(words) = words_expression(query) {
        sources.push(ListSource {
            from: "message_search cross join messages on messages.seq = message_search.rowid",
            position: "message_search.rowid",
            condition: "message_search match ?".into(),
            values: vec![text(&words)],
        });
        let new = search_index::list_new_messages(connection, workspace.as_bytes(), MAX_TAIL)?;
        let found = match_entries(["body", "reference"], &new, &words)?;
        if !found.is_empty() {
            sources.push(ListSource {
                from: "messages",
                position: "seq",
                condition: "seq in (select value from json_each(?))".into(),
                values: vec![text(&json(&found)?)],
            });
        }
    }
    if let Some(expression) = contact_expression(query) {
        sources.extend(contact_source(connection, workspace, &expression)?);
    }
    Ok(sources)
}

/// Returns the source of the messages of contacts whose name or number matches; `None` if there is no such contact.
fn contact_source(
    connection: &Connection,
    workspace: WorkspaceId,
    expression: &str,
) -> SqlResult<Option<ListSource>> {
    let limit = MAX_CONTACTS + 1;
    let mut found: Vec<i64> = {
        let mut statement = connection.prepare_cached(&format!(
            "select contacts.seq from contact_search cross join contacts on contacts.seq = contact_search.rowid
             where contact_search match ?1 and contacts.workspace_id = ?2
               and not exists (select 1 from contact_search_changes x where x.contact_seq = contact_search.rowid)
             limit {limit}"
        ))?;
        let rows = statement.query_map((expression, workspace.as_bytes()), |row| row.get(0))?;
        rows.collect::<Result<_, _>>()?
    };
    let changed = search_index::list_changed_contacts(connection, workspace.as_bytes(), MAX_TAIL)?;
    found.extend(match_entries(["names", "numbers"], &changed, expression)?);
    if found.is_empty() {
        return Ok(None);
    }
    if found.len() <= MAX_CONTACTS {
        return Ok(Some(ListSource {
            from: "messages indexed by messages_by_contact",
            position: "seq",
            condition: "contact_id in (
                select c.id from contacts c where c.seq in (select value from json_each(?)))"
                .into(),
            values: vec![text(&json(&found)?)],
        }));
    }
    Ok(Some(ListSource {
        from: "messages indexed by messages_by_workspace",
        position: "seq",
        condition: "contact_id in (
            select c.id from contact_search s cross join contacts c on c.seq = s.rowid
            where s.contact_search match ? and c.workspace_id = ?)"
            .into(),
        values: vec![text(expression), bytes(workspace.as_bytes())],
    }))
}

/// Returns the entries that match, by an index in memory with the same rules.
fn match_entries(
    columns: [&'static str; 2],
    entries: &[SearchEntry],
    expression: &str,
) -> SqlResult<Vec<i64>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let memory = Connection::open_in_memory()?;
    let [first, second] = columns;
    memory.execute_batch(&format!(
        "create virtual table entries using fts5 (
             {first}, {second}, tokenize = \"unicode61 remove_diacritics 2\", columnsize = 0);
         begin"
    ))?;
    let mut insert = memory
        .prepare(&format!("insert or replace into entries (rowid, {first}, {second}) values (?1, ?2, ?3)"))?;
    for SearchEntry { seq, columns: [first, second] } in entries {
        insert.execute((seq, first, second))?;
    }
    let mut statement = memory.prepare("select rowid from entries where entries match ?1")?;
    let found = statement.query_map([expression], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(found)
}

/// Quotes the words of a search. The last word is the beginning of a word. `None`: the search has no word.
fn words_expression(query: &SearchQuery) -> Option<String> {
    if query.words.is_empty() {
        return None;
    }
    let quoted: Vec<_> =
        query.words.iter().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
    Some(format!("{}*", quoted.join(" ")))
}

/// Returns the expression that finds contacts by their names or numbers.
fn contact_expression(query: &SearchQuery) -> Option<String> {
    let names = words_expression(query)?;
    Some(match &query.digits {
        Some(digits) => format!("names : ({names}) OR numbers : \"{digits}\"*"),
        None => format!("names : ({names})"),
    })
}
