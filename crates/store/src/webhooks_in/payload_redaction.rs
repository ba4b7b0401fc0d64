//! Redaction of one contact in a stored webhook payload.

use std::collections::BTreeSet;

use domain::id::WorkspaceId;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::SqlResult;
use crate::payloads;
use crate::payloads::ByteRange;
use crate::row::{Cells, SelectRow as _, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_in::redact;
use crate::webhooks_in::redact::NumberOwners;

/// IDs of phone numbers and WhatsApp Business Accounts of other workspaces.
pub(crate) struct ForeignNumbers(BTreeSet<String>);

impl NumberOwners for ForeignNumbers {
    fn is_foreign(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

row! {
    struct NumberRow {
        phone_number_id: String = get "phone_number_id",
        waba_id: String = get "waba_id",
        is_own: bool = flag "workspace_id = ?1",
    } from "accounts"
}

pub(crate) fn foreign_numbers(connection: &Connection, workspace: WorkspaceId) -> SqlResult<ForeignNumbers> {
    let (mut own, mut foreign) = (BTreeSet::new(), BTreeSet::new());
    for row in NumberRow::list(connection, [workspace.as_bytes()])? {
        let ids = [row.phone_number_id, row.waba_id];
        if row.is_own { own.extend(ids) } else { foreign.extend(ids) }
    }
    Ok(ForeignNumbers(foreign.difference(&own).cloned().collect()))
}

row! {
    /// Payload that contains an identifier: position, and time of receipt in microseconds.
    pub(crate) struct MatchingPayload {
        seq: i64 = get "seq",
        received_at: i64 = get "received_at",
    }
}

/// Lists the payloads at the positions `from` to `to` that contain one of the identifiers.
pub(crate) fn list_matching(
    connection: &Connection,
    identifiers: &[String],
    from: i64,
    to: i64,
) -> SqlResult<Vec<MatchingPayload>> {
    if identifiers.is_empty() {
        return Ok(Vec::new());
    }
    let has_identifier = vec!["instr(body, ?) > 0"; identifiers.len()].join(" or ");
    let sql = format!(
        "select {} from webhook_payloads where seq between ? and ? and ({has_identifier}) order by seq",
        MatchingPayload::COLUMNS
    );
    let mut statement = connection.prepare(&sql)?;
    let range = [Value::Integer(from), Value::Integer(to)];
    let values = range
        .into_iter()
        .chain(identifiers.iter().map(|identifier| Value::Blob(identifier.clone().into_bytes())));
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(MatchingPayload::read(&mut Cells::new("webhook_payloads", row))?);
    }
    Ok(found)
}

/// Redacts a contact in a payload, and deletes the rows that refer to the redacted changes.
pub(crate) fn redact_payload(
    connection: &Connection,
    payload: i64,
    identifiers: &[String],
    owners: &dyn NumberOwners,
) -> SqlResult<()> {
    let mut body: Vec<u8> = connection
        .prepare_cached("select body from webhook_payloads where seq = ?1")?
        .query_row([payload], |row| row.get(0))?;
    match redact::elements_of(&body, identifiers, owners) {
        Some(spans) if spans.is_empty() => return Ok(()),
        Some(spans) => {
            for range in spans {
                payloads::redact_range(&mut body, range);
                delete_changes(connection, payload, range)?;
            }
        }
        None => {
            redact::redact_identifiers(&mut body, identifiers);
            delete_changes(connection, payload, ByteRange { start: 0, length: body.len() })?;
        }
    }
    payloads::update_body(connection, payload, &body)
}

/// Converts an offset to a column value.
fn to_column(offset: usize) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

fn delete_changes(connection: &Connection, payload: i64, range: ByteRange) -> SqlResult<()> {
    for sql in [
        "delete from pending_statuses where payload_seq = ?1 and payload_start >= ?2 and payload_start < ?3",
        "update webhook_changes set reason = null where payload_seq = ?1 and payload_start >= ?2 and payload_start < ?3",
    ] {
        connection.prepare_cached(sql)?.execute_any((
            payload,
            to_column(range.start),
            to_column(range.end()),
        ))?;
    }
    Ok(())
}

/// Redacts an erased contact in a payload that was just inserted.
pub(crate) fn redact_new_payload(
    connection: &Connection,
    workspace: WorkspaceId,
    payload: i64,
    identifiers: &[String],
) -> SqlResult<()> {
    let owners = foreign_numbers(connection, workspace)?;
    redact_payload(connection, payload, identifiers, &owners)
}
