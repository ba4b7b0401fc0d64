//! Erasure of a contact in webhook payloads, events and deliveries: one range of rows in each step.

use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::maintenance::erasure::progress::{Erasure, StepRange};
use crate::revisions;
use crate::row::{json, micros};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_in::payload_redaction;

/// Maximum number of payloads in one step: each has some kilobytes.
pub(crate) const PAYLOADS_PER_STEP: u32 = 200;

pub(crate) fn erase_payloads(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
) -> SqlResult<Option<i64>> {
    let range = StepRange { next: erasure.next, last: erasure.last_payload, limit };
    let sql = "select max(seq) from (
                   select seq from webhook_payloads where ?1 is null and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let Some(end) = range.end(connection, sql, None)? else { return Ok(None) };
    let owners = payload_redaction::foreign_numbers(connection, erasure.workspace)?;
    let all: Vec<String> =
        erasure.identifiers.iter().chain(erasure.former_identifiers.keys()).cloned().collect();
    for payload in payload_redaction::list_matching(connection, &all, erasure.next, end)? {
        // Payloads that were received when the identifier belonged to another contact stay unchanged.
        let former = erasure.former_identifiers.iter().filter(|(_, until)| payload.received_at <= **until);
        let identifiers: Vec<String> =
            erasure.identifiers.iter().chain(former.map(|(identifier, _)| identifier)).cloned().collect();
        payload_redaction::redact_payload(connection, payload.seq, &identifiers, &owners)?;
    }
    Ok(Some(end.saturating_add(1)))
}

/// Data of an event about an erased contact.
const MINIMAL: &str = "json_object('id', json_extract(data, '$.id'), 'erased', json('true'))";

pub(crate) fn erase_events(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
    now: Timestamp,
) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from events where workspace_id = ?1 and seq >= ?2 and seq <= ?3 order by seq limit ?4)";
    let range = StepRange { next: erasure.next, last: erasure.last_event, limit };
    let Some(end) = range.end(connection, sql, Some(erasure.workspace))? else {
        return Ok(None);
    };
    // Events are also found by identifiers: events of a contact that was merged into this contact have its old ID.
    let sql = format!(
        "update events set data = {MINIMAL}, erased_at = ?6
         where workspace_id = ?1 and seq between ?2 and ?3 and contact_id is not null
           and (contact_id = ?4 or exists (
               select 1 from json_each(?5) m
               where instr(data, m.value) > 0
                 and (m.value in (json_extract(data, '$.user_id'), json_extract(data, '$.recipient'))
                      or '+' || m.value in (
                          json_extract(data, '$.to'), json_extract(data, '$.from'),
                          json_extract(data, '$.phone_number')))))"
    );
    connection.prepare_cached(&sql)?.execute_any(params![
        erasure.workspace.as_bytes(),
        erasure.next,
        end,
        erasure.contact.as_bytes(),
        json(&erasure.identifiers)?,
        micros(now),
    ])?;
    Ok(Some(end.saturating_add(1)))
}

/// Deletes the reasons of failing endpoints that contain the contact's identifiers.
fn erase_status_reasons(connection: &Connection, erasure: &Erasure) -> SqlResult<()> {
    let n_rows = connection
        .prepare_cached(
            "update webhook_endpoints set status_reason = null
             where workspace_id = ?1 and status_reason is not null
                   and exists (select 1 from json_each(?2) m where instr(status_reason, m.value) > 0)",
        )?
        .execute((erasure.workspace.as_bytes(), json(&erasure.identifiers)?))?;
    if n_rows > 0 { revisions::increment(connection, "directory") } else { Ok(()) }
}

pub(crate) fn erase_deliveries(
    connection: &Connection,
    erasure: &Erasure,
    limit: u32,
) -> SqlResult<Option<i64>> {
    let sql = "select max(seq) from (
                   select seq from deliveries where workspace_id = ?1 and seq >= ?2 and seq <= ?3
                   order by seq limit ?4)";
    let range = StepRange { next: erasure.next, last: erasure.last_delivery, limit };
    let Some(end) = range.end(connection, sql, Some(erasure.workspace))? else {
        erase_status_reasons(connection, erasure)?;
        return Ok(None);
    };
    // An endpoint's response or redirect may contain the contact's identifiers, also for an event about another contact.
    connection
        .prepare_cached(
            "update deliveries set response = null, reason = null
             where workspace_id = ?1 and seq between ?2 and ?3 and (response is not null or reason is not null) and (
                 exists (
                     select 1 from json_each(?4) m
                     where instr(coalesce(response, ''), m.value) > 0 or instr(coalesce(reason, ''), m.value) > 0)
                 or exists (
                     select 1 from events e
                     where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq
                       and e.erased_at is not null))",
        )?
        .execute_any((erasure.workspace.as_bytes(), erasure.next, end, json(&erasure.identifiers)?))?;
    Ok(Some(end.saturating_add(1)))
}
