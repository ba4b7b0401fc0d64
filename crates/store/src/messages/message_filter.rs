//! Filters of the list of messages.
//!
//! **Invariant:** each filter that selects few messages is read through an index, in the order of the list: a page of
//! fifty messages does not read a whole workspace.

use domain::id::WorkspaceId;
use domain::messages::status::MessageStatus;
use engine::ports::{ContactRef, ListOrder, MessageFilter, MessageKey};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::messages::search;
use crate::row::micros;
use crate::sqlite::page::{ListQuery, ListSource, Order, bytes, text};

/// Maximum difference between the order of positions and the order of times, in microseconds: a clock can be set back.
const MAX_DISORDER: i64 = 3_600_000_000;

/// Time after the creation of a message after which a change has an entry in the index `messages_updated_late`, in
/// microseconds.
const LATE: i64 = 3_600_000_000;

/// Returns the query of a list of messages; `None` if the list has no rows.
pub(crate) fn list_query(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &MessageFilter,
    columns: &'static str,
) -> SqlResult<Option<ListQuery>> {
    let order = match filter.order {
        ListOrder::NewestFirst => Order::NewestFirst,
        ListOrder::OldestFirst => Order::OldestFirst,
    };
    let mut list = ListQuery::new("messages", columns, order);
    list.with("messages.workspace_id = ?", [bytes(workspace.as_bytes())]);
    if !add_contact(&mut list, connection, workspace, filter)? {
        return Ok(None);
    }
    add_values(&mut list, workspace, filter);
    add_times(&mut list, connection, filter)?;
    if let Some(query) = &filter.search {
        let sources = search::list_sources(connection, workspace, query)?;
        if sources.is_empty() {
            return Ok(None);
        }
        add_statuses(&mut list, &filter.statuses);
        list.sources = sources;
    } else if let Some(since) = filter.updated_since {
        add_statuses(&mut list, &filter.statuses);
        list.sources = updated_sources(connection, workspace, since)?;
    } else if let Some(source) = queue_or_inbox_source(filter) {
        add_statuses(&mut list, &filter.statuses);
        list.sources = vec![source];
    } else {
        match filter.statuses.as_slice() {
            several @ [_, _, ..] => list.sources = status_sources(several),
            one => add_statuses(&mut list, one),
        }
    }
    Ok(Some(list))
}

/// Adds the filter of the contact. Returns `false` if there is no such contact.
fn add_contact(
    list: &mut ListQuery,
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &MessageFilter,
) -> SqlResult<bool> {
    let contacts = match &filter.contact {
        None => return Ok(true),
        Some(ContactRef::Id(id)) => vec![*id.as_bytes()],
        Some(ContactRef::Numbers(numbers)) => {
            let mut statement = connection.prepare_cached(
                "select contact_id from contact_numbers where workspace_id = ?1 and wa_id = ?2",
            )?;
            let mut contacts = Vec::new();
            for number in numbers {
                contacts.extend(
                    statement
                        .query_row((workspace.as_bytes(), number), |row| row.get::<_, [u8; 16]>(0))
                        .optional()?,
                );
            }
            contacts.sort_unstable();
            contacts.dedup();
            contacts
        }
    };
    match contacts.as_slice() {
        [] => return Ok(false),
        [contact] => list.with("contact_id = ?", [bytes(contact)]),
        several => list.within("contact_id", several.iter().map(bytes)),
    };
    Ok(true)
}

/// Adds the filters that compare one column with values of the caller.
fn add_values(list: &mut ListQuery, workspace: WorkspaceId, filter: &MessageFilter) {
    match &filter.key {
        Some(MessageKey::Id(id)) => {
            list.with("messages.id = ?", [bytes(id.as_bytes())]);
        }
        Some(MessageKey::Wamid(wamid)) => {
            list.with(
                "messages.id in (select message_id from wamids where workspace_id = ? and wamid = ?)",
                [bytes(workspace.as_bytes()), text(wamid)],
            );
        }
        None => {}
    }
    if let Some(accounts) = &filter.accounts {
        list.within("account_id", accounts.iter().map(|account| bytes(account.as_bytes())));
    }
    if let Some(account) = &filter.account {
        list.with("account_id = ?", [bytes(account.as_bytes())]);
    }
    if let Some(batch) = &filter.batch {
        list.with("batch_id = ?", [bytes(batch.as_bytes())]);
    }
    if let Some(kind) = &filter.kind {
        list.with("kind = ?", [text(kind)]);
    }
    if let Some(direction) = filter.direction {
        list.with("direction = ?", [text(direction.as_str())]);
    }
    if let Some(reference) = &filter.client_reference {
        list.with("client_reference = ?", [text(reference)]);
    }
    match filter.is_scheduled {
        Some(true) => list.with("status = 'queued' and send_at is not null", []),
        Some(false) => list.with("(status <> 'queued' or send_at is null)", []),
        None => list,
    };
    match filter.is_unread {
        Some(true) => list.with("direction = 'inbound' and read_at is null and erased_at is null", []),
        Some(false) => list.with("direction = 'inbound' and read_at is not null", []),
        None => list,
    };
}

/// Adds the filters of times. A message is changed no earlier than it is inserted, so that a position below which all
/// messages are older bounds the scan.
fn add_times(list: &mut ListQuery, connection: &Connection, filter: &MessageFilter) -> SqlResult<()> {
    if let Some(from) = filter.from {
        let first = first_position(connection, micros(from).saturating_sub(MAX_DISORDER))?;
        list.with("messages.seq >= ?", [Value::Integer(first)]);
        list.with("created_at >= ?", [Value::Integer(micros(from))]);
    }
    if let Some(to) = filter.to {
        list.with("created_at < ?", [Value::Integer(micros(to))]);
    }
    if let Some(since) = filter.updated_since {
        list.with("updated_at >= ?", [Value::Integer(micros(since))]);
    }
    Ok(())
}

/// Returns a position such that all messages before it were inserted before a time.
///
/// Positions follow the time of the insertion, up to [`MAX_DISORDER`], which the caller subtracts. The time of the last
/// change is not earlier: a message whose last change is before the time shows that all messages before it were inserted
/// before it, too.
fn first_position(connection: &Connection, at: i64) -> SqlResult<i64> {
    let last: i64 = connection
        .prepare_cached("select coalesce(max(seq), 0) from messages")?
        .query_row((), |row| row.get(0))?;
    let mut next = connection
        .prepare_cached("select seq, updated_at from messages where seq >= ?1 order by seq limit 1")?;
    let (mut low, mut high) = (0, last.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            next.query_row([middle], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        match found {
            Some((seq, updated_at)) if updated_at < at => low = seq.saturating_add(1),
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

/// Returns the sources of the messages that were changed since a time: those that were inserted shortly before, and those
/// that were changed late.
fn updated_sources(
    connection: &Connection,
    workspace: WorkspaceId,
    since: Timestamp,
) -> SqlResult<Vec<ListSource>> {
    let first = first_position(connection, micros(since).saturating_sub(LATE + MAX_DISORDER))?;
    Ok(vec![
        ListSource {
            from: "messages indexed by messages_by_workspace",
            position: "seq",
            condition: "seq >= ?".into(),
            values: vec![Value::Integer(first)],
        },
        ListSource {
            from: "messages indexed by messages_updated_late",
            position: "seq",
            condition: "workspace_id = ? and updated_at - created_at > 3600000000 and updated_at >= ?".into(),
            values: vec![bytes(workspace.as_bytes()), Value::Integer(micros(since))],
        },
    ])
}

/// Returns the source of scheduled, unread or read messages.
fn queue_or_inbox_source(filter: &MessageFilter) -> Option<ListSource> {
    let from = match (filter.is_scheduled, filter.is_unread) {
        (Some(true), _) => "messages indexed by messages_scheduled",
        (_, Some(true)) if filter.contact.is_some() => "messages indexed by messages_unread_by_contact",
        (_, Some(true)) => "messages indexed by messages_unread",
        (_, Some(false)) => "messages indexed by messages_marked_read",
        (Some(false) | None, None) => return None,
    };
    Some(ListSource { from, position: "seq", condition: "true".into(), values: Vec::new() })
}

/// Returns the condition that a message has one of these statuses. The statuses are part of the statement's text: SQLite
/// cannot use a partial index for bound values.
fn status_condition(statuses: &[MessageStatus]) -> String {
    let words: Vec<_> = statuses.iter().map(|status| format!("'{}'", status.as_str())).collect();
    match words.as_slice() {
        [one] => format!("status = {one}"),
        several => format!("status in ({})", several.join(", ")),
    }
}

fn add_statuses(list: &mut ListQuery, statuses: &[MessageStatus]) {
    if !statuses.is_empty() {
        list.with(status_condition(statuses), []);
    }
}

/// Returns one source for each status that has an index, and one for all others, which most messages have.
fn status_sources(statuses: &[MessageStatus]) -> Vec<ListSource> {
    let source = |from, statuses: &[MessageStatus]| ListSource {
        from,
        position: "seq",
        condition: status_condition(statuses).into(),
        values: Vec::new(),
    };
    let (indexed, others): (Vec<_>, Vec<_>) =
        statuses.iter().copied().partition(|status| is_indexed(*status));
    let mut sources: Vec<_> = indexed.iter().map(|status| source("messages", &[*status])).collect();
    if !others.is_empty() {
        sources.push(source("messages", &others));
    }
    sources
}

/// Returns `true` if the index `messages_by_status` has the messages with this status.
fn is_indexed(status: MessageStatus) -> bool {
    match status {
        MessageStatus::Failed
        | MessageStatus::Queued
        | MessageStatus::Unknown
        | MessageStatus::Expired
        | MessageStatus::Canceled => true,
        MessageStatus::Sending
        | MessageStatus::Sent
        | MessageStatus::Delivered
        | MessageStatus::Read
        | MessageStatus::Played
        | MessageStatus::Received => false,
    }
}
