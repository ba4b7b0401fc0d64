//! Statuses of messages whose wamid is not known yet, stored until the wamid is known or the status expires.

use domain::messages::status_report::StatusReport;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::payloads;
use crate::payloads::{PayloadSpan, Redactions};
use crate::row::{Cells, json, micros};
use crate::scope::Scope;

/// Deletes the statuses of an erased message and redacts their payloads.
pub(crate) fn erase_statuses(connection: &Connection, scope: Scope, wamid: &str) -> SqlResult<()> {
    let mut blanks = Redactions::default();
    {
        let mut statement = connection.prepare_cached(
            "delete from pending_statuses where workspace_id = ?1 and account_id = ?2 and wamid = ?3
             returning payload_seq, payload_start, payload_length",
        )?;
        let mut rows = statement.query((scope.workspace.as_bytes(), scope.account.as_bytes(), wamid))?;
        while let Some(row) = rows.next()? {
            blanks.add(payloads::read_span(&mut Cells::new("pending_statuses", row))?);
        }
    }
    blanks.apply(connection)
}

/// Inserts a status. Returns `false` if the same status is stored already: then its payload is not stored again.
pub(crate) fn insert_status(
    connection: &Connection,
    scope: Scope,
    report: &StatusReport,
    now: Timestamp,
    raw: &mut dyn FnMut() -> SqlResult<PayloadSpan>,
) -> SqlResult<bool> {
    let is_known: bool = connection
        .prepare_cached(
            "select exists (select 1 from pending_statuses
             where workspace_id = ?1 and account_id = ?2 and wamid = ?3 and status = ?4)",
        )?
        .query_row(
            (scope.workspace.as_bytes(), scope.account.as_bytes(), &report.wamid, report.status.as_str()),
            |row| row.get(0),
        )?;
    if is_known {
        return Ok(false);
    }
    let (payload, start, length) = raw()?;
    connection
        .prepare_cached(
            "insert into pending_statuses (
                 workspace_id, account_id, wamid, status, occurred_at, received_at, error, pricing, payload_seq, payload_start, payload_length)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            scope.workspace.as_bytes(),
            scope.account.as_bytes(),
            report.wamid,
            report.status.as_str(),
            micros(report.at),
            micros(now),
            report.error.as_ref().map(json).transpose()?,
            report.pricing.as_ref().map(json).transpose()?,
            payload,
            start,
            length,
        ])?;
    Ok(true)
}

/// Time after which a status expires: Meta repeats a webhook for seven days, and no send takes longer.
const RETAINED_FOR: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Deletes expired statuses. Their payloads stay.
pub(crate) fn expire_statuses(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<()> {
    let before = now.saturating_sub(RETAINED_FOR).unwrap_or(Timestamp::MIN);
    connection
        .prepare_cached(
            "delete from pending_statuses where (workspace_id, account_id, wamid, status) in (
                 select workspace_id, account_id, wamid, status from pending_statuses
                 where received_at < ?1 order by received_at limit ?2)",
        )?
        .execute((micros(before), limit))?;
    Ok(())
}
