//! Start of an erasure.

use domain::id::{ContactId, WorkspaceId};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::access::idempotent_requests;
use crate::error::SqlResult;
use crate::maintenance::erasure::identifiers::Identifiers;
use crate::maintenance::erasure::messages::{BATCH, ErasableMessages};
use crate::maintenance::erasure::{identifiers, messages};
use crate::row::{json, micros};
use crate::sqlite::execute::Execute as _;

/// Begins the erasure of a contact. Returns `false` if the contact does not exist.
pub(crate) fn begin_erasure(
    connection: &Connection,
    workspace: WorkspaceId,
    contact: ContactId,
    now: Timestamp,
) -> SqlResult<bool> {
    let keys = (workspace.as_bytes(), contact.as_bytes());
    let Some(Identifiers { current, former }) =
        identifiers::collect_identifiers(connection, workspace, contact)?
    else {
        return Ok(false);
    };
    for sql in [
        "delete from contact_numbers where workspace_id = ?1 and contact_id = ?2",
        "delete from contact_tags where workspace_id = ?1 and contact_id = ?2",
        "delete from service_windows where workspace_id = ?1 and contact_id = ?2",
        "delete from messaging_limit_recipients where workspace_id = ?1 and contact_id = ?2",
        "delete from contacts where workspace_id = ?1 and id = ?2",
    ] {
        connection.prepare_cached(sql)?.execute_any(keys)?;
    }
    let identifiers: Vec<String> = current.into_iter().collect();
    identifiers::delete_number_changes(connection, workspace, &identifiers, &former)?;
    connection
        .prepare_cached(
            "insert into erasures (
                 contact_id, workspace_id, identifiers, former_identifiers, step, next_seq, last_payload, last_event, last_delivery, last_message,
                 created_at)
             values (?2, ?1, ?3, ?5, 'messages', 0,
                 coalesce((select max(seq) from webhook_payloads), 0),
                 coalesce((select max(seq) from events where workspace_id = ?1), 0),
                 coalesce((select max(seq) from deliveries where workspace_id = ?1), 0),
                 coalesce((select max(seq) from messages where workspace_id = ?1), 0), ?4)",
        )?
        .execute_one(params![keys.0, keys.1, json(&identifiers)?, micros(now), json(&former)?])?;
    let texts: Vec<String> = identifiers.iter().cloned().chain([contact.to_string()]).collect();
    idempotent_requests::erase_responses(connection, workspace, &texts)?;
    // Queued messages to the contact must not be sent.
    let queued =
        ErasableMessages { workspace, contact, identifiers: &identifiers, is_queued: true, limit: BATCH };
    while messages::erase_messages(connection, &queued, now)? > 0 {}
    messages::erase_messages(connection, &ErasableMessages { is_queued: false, ..queued }, now)?;
    Ok(true)
}
