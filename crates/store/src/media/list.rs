//! List of files.

use domain::id::WorkspaceId;
use engine::ports::{MediaFilter, Page, PageRequest, StoredMedia};
use rusqlite::Connection;
use rusqlite::types::Value;

use crate::error::SqlResult;
use crate::media::records;
use crate::row::micros;
use crate::sqlite::page::{ListQuery, Order, bytes, text};

/// Lists files, newest first. Files whose content is being stored or deleted are not listed.
pub(crate) fn list_media(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &MediaFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredMedia>> {
    let mut list = ListQuery::new("media", records::COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]);
    list.with("state not in ('receiving', 'gone')", []);
    if let Some(accounts) = &filter.accounts {
        let marks = vec!["?"; accounts.len()].join(", ");
        list.with(
            format!("(account_id is null or account_id in ({marks}))"),
            accounts.iter().map(|account| bytes(account.as_bytes())),
        );
    }
    if let Some(account) = &filter.account {
        list.with("account_id = ?", [bytes(account.as_bytes())]);
    }
    if let Some(origin) = filter.origin {
        list.with("origin = ?", [text(origin.as_str())]);
    }
    if let Some(state) = filter.state {
        list.with("state = ?", [text(state.as_str())]);
    }
    if let Some(since) = filter.since {
        list.with("created_at >= ?", [Value::Integer(micros(since))]);
    }
    if let Some(until) = filter.until {
        list.with("created_at < ?", [Value::Integer(micros(until))]);
    }
    list.read_page(connection, page, records::read)
}
