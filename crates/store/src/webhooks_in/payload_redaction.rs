//! Removal of one person from a stored webhook payload.

use std::collections::BTreeSet;

use domain::id::WorkspaceId;
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use crate::error::SqlResult;
use crate::payloads;
use crate::payloads::ByteRange;
use crate::row::Cells;
use crate::webhooks_in::redact;
use crate::webhooks_in::redact::NumberOwners;

/// IDs of phone numbers and WhatsApp Business Accounts of other workspaces.
pub(crate) struct ForeignNumbers(BTreeSet<String>);

impl NumberOwners for ForeignNumbers {
    fn is_foreign(&self, id: &str) -> bool {
        self.0.contains(id)
    }
}

pub(crate) fn foreign_numbers(connection: &Connection, workspace: WorkspaceId) -> SqlResult<ForeignNumbers> {
    let mut statement =
        connection.prepare_cached("select phone_number_id, waba_id, workspace_id = ?1 from accounts")?;
    let mut rows = statement.query([workspace.as_bytes()])?;
    let (mut ours, mut theirs) = (BTreeSet::new(), BTreeSet::new());
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("accounts", row);
        let ids: [String; 2] = [cells.get()?, cells.get()?];
        if cells.flag()? { ours.extend(ids) } else { theirs.extend(ids) }
    }
    Ok(ForeignNumbers(theirs.difference(&ours).cloned().collect()))
}

/// Lists the payloads that contain one of the identifiers, with their time of receipt.
pub(crate) fn list_matching(
    connection: &Connection,
    identifiers: &[String],
    (from, to): (i64, i64),
) -> SqlResult<Vec<(i64, i64)>> {
    if identifiers.is_empty() {
        return Ok(Vec::new());
    }
    let has_identifier = vec!["instr(body, ?) > 0"; identifiers.len()].join(" or ");
    let sql = format!(
        "select seq, received_at from webhook_payloads where seq between ? and ? and ({has_identifier}) order by seq"
    );
    let mut statement = connection.prepare(&sql)?;
    let range = [Value::Integer(from), Value::Integer(to)];
    let values = range
        .into_iter()
        .chain(identifiers.iter().map(|identifier| Value::Blob(identifier.clone().into_bytes())));
    let rows = statement.query_map(params_from_iter(values), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Redacts a person in a payload, and deletes the rows that refer to the redacted changes.
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
            for (start, length) in spans {
                payloads::redact_range(&mut body, (start, length));
                delete_changes(connection, payload, (start, start.saturating_add(length)))?;
            }
        }
        None => {
            redact::redact_identifiers(&mut body, identifiers);
            delete_changes(connection, payload, (0, body.len()))?;
        }
    }
    payloads::update_body(connection, payload, &body)
}

/// Converts an offset to a column value.
fn to_column(place: usize) -> i64 {
    i64::try_from(place).unwrap_or(i64::MAX)
}

fn delete_changes(connection: &Connection, payload: i64, (from, to): ByteRange) -> SqlResult<()> {
    for sql in [
        "delete from pending_statuses where payload_seq = ?1 and payload_start >= ?2 and payload_start < ?3",
        "update webhook_changes set reason = null where payload_seq = ?1 and payload_start >= ?2 and payload_start < ?3",
    ] {
        connection.prepare_cached(sql)?.execute((payload, to_column(from), to_column(to)))?;
    }
    Ok(())
}

/// Redacts a person who is not a contact in a payload that was just inserted.
pub(crate) fn redact_new_payload(
    connection: &Connection,
    workspace: WorkspaceId,
    payload: i64,
    identifiers: &[String],
) -> SqlResult<()> {
    let owners = foreign_numbers(connection, workspace)?;
    redact_payload(connection, payload, identifiers, &owners)
}
