//! The audit log. An entry is written in the transaction of the action that it records.

use std::net::IpAddr;

use domain::access::audit::{Actor, ActorKind, AuditAction, AuditEntry, AuditTarget, AuditTargetKind};
use domain::id::{AuditEntryId, WorkspaceId};
use domain::json::Object;
use engine::ports::{AuditFilter, Page, PageRequest};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::row::{Cells, json, micros, row};
use crate::sqlite::execute::Execute as _;
use crate::sqlite::page::{ListQuery, Order, bytes, containing, text};

/// Inserts an entry.
pub(crate) fn insert_entry(connection: &Connection, entry: &AuditEntry) -> SqlResult<()> {
    connection
        .prepare_cached(
            "insert into audit_entries (
                 id, workspace_id, created_at, actor_kind, actor_id, actor_name, action, subject_kind, subject_id,
                 subject_name, client_ip, request_id, details)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute_one(params![
            entry.id.as_bytes(),
            entry.workspace.as_bytes(),
            micros(entry.at),
            entry.actor.kind.as_str(),
            entry.actor.id,
            entry.actor.name,
            entry.action.as_str(),
            entry.subject.kind.as_str(),
            entry.subject.id,
            entry.subject.name,
            entry.client.as_ref().map(IpAddr::to_string),
            entry.request_id,
            json(&entry.details)?,
        ])
}

row! {
    struct EntryRow {
        id: AuditEntryId = id "id",
        workspace: WorkspaceId = id "workspace_id",
        created_at: Timestamp = at "created_at",
        actor_kind: ActorKind = parsed "actor_kind",
        actor_id: Option<String> = get "actor_id",
        actor_name: String = get "actor_name",
        action: AuditAction = parsed "action",
        subject_kind: AuditTargetKind = parsed "subject_kind",
        subject_id: String = get "subject_id",
        subject_name: Option<String> = get "subject_name",
        client_ip: Option<IpAddr> = opt_parsed "client_ip",
        request_id: Option<String> = get "request_id",
        details: Object = json "details",
    }
}

fn read(cells: &mut Cells<'_>) -> SqlResult<AuditEntry> {
    let row = EntryRow::read(cells)?;
    Ok(AuditEntry {
        id: row.id,
        workspace: row.workspace,
        at: row.created_at,
        actor: Actor { kind: row.actor_kind, id: row.actor_id, name: row.actor_name },
        action: row.action,
        subject: AuditTarget { kind: row.subject_kind, id: row.subject_id, name: row.subject_name },
        client: row.client_ip,
        request_id: row.request_id,
        details: row.details,
    })
}

pub(crate) fn list_entries(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &AuditFilter,
    page: PageRequest,
) -> SqlResult<Page<AuditEntry>> {
    let mut list = ListQuery::new("audit_entries", EntryRow::COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]);
    if let Some(actor) = &filter.actor {
        list.with("(actor_id = ? or actor_name = ?)", [text(actor), text(actor)]);
    }
    if let Some(action) = filter.action {
        list.with("action = ?", [text(action.as_str())]);
    }
    if let Some(subject) = &filter.subject {
        list.with("(subject_id = ? or subject_name = ?)", [text(subject), text(subject)]);
    }
    for (condition, at) in [("created_at >= ?", filter.since), ("created_at < ?", filter.until)] {
        if let Some(at) = at {
            list.with(condition, [Value::Integer(micros(at))]);
        }
    }
    if let Some(search) = &filter.search {
        let found = containing(search);
        list.with(
            "(actor_name like ? escape '\\' or subject_name like ? escape '\\')",
            [found.clone(), found],
        );
    }
    list.read_page(connection, page, read)
}
