//! Reports of messages that are not known yet: kept until the wamid is known, or for as long as that can happen.

use domain::id::{AccountId, WorkspaceId};
use domain::messages::message::StatusReport;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::finish;
use crate::messages::finish::{Current, Effect, Heard, Raw};
use crate::row::{Cells, json, micros};

/// Keeps a report.
pub(crate) fn keep(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    report: &StatusReport,
    now: Timestamp,
    raw: &mut dyn FnMut() -> SqlResult<Raw>,
) -> SqlResult<Effect> {
    let is_known: bool = connection
        .prepare_cached(
            "select exists (select 1 from pending_statuses
             where workspace_id = ?1 and account_id = ?2 and wamid = ?3 and status = ?4)",
        )?
        .query_row(
            (workspace.as_bytes(), account.as_bytes(), &report.wamid, report.status.as_str()),
            |row| row.get(0),
        )?;
    if is_known {
        // The post is not kept again for it.
        return Ok(Effect::Repeated);
    }
    let (post, start, length) = raw()?;
    connection
        .prepare_cached(
            "insert into pending_statuses (
                 workspace_id, account_id, wamid, status, occurred_at, received_at, error, pricing, payload_seq, payload_start, payload_length)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            workspace.as_bytes(),
            account.as_bytes(),
            report.wamid,
            report.status.as_str(),
            micros(report.at),
            micros(now),
            report.error.as_ref().map(json).transpose()?,
            report.pricing.as_ref().map(json).transpose()?,
            post,
            start,
            length,
        ])?;
    Ok(Effect::Early)
}

/// Applies the statuses that came before the wamid was known.
pub(crate) fn apply(connection: &Connection, current: &Current, wamid: &str) -> SqlResult<()> {
    let key = (current.workspace.as_bytes(), current.account.as_bytes(), wamid);
    let mut statement = connection.prepare_cached(
        "select status, occurred_at, received_at, error, pricing, payload_seq, payload_start, payload_length from pending_statuses
         where workspace_id = ?1 and account_id = ?2 and wamid = ?3",
    )?;
    let mut rows = statement.query(key)?;
    let mut reports = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("pending_statuses", row);
        let status = cells.word()?;
        let at = cells.at()?;
        let heard_at = cells.at()?;
        let report = StatusReport {
            wamid: wamid.to_owned(),
            status,
            at,
            reference: None,
            recipient: None,
            user_id: None,
            error: cells.opt_json()?,
            pricing: cells.opt_json()?,
        };
        let post: Option<i64> = cells.get()?;
        let raw =
            post.zip(cells.get()?).zip(cells.get()?).map(|((post, start), length)| (post, start, length));
        reports.push((report, heard_at, raw));
    }
    if reports.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached(
            "delete from pending_statuses where workspace_id = ?1 and account_id = ?2 and wamid = ?3",
        )?
        .execute(key)?;
    for (report, heard_at, raw) in reports {
        finish::apply(
            connection,
            current.workspace,
            current.message,
            &Heard { report: &report, at: heard_at, raw },
        )?;
    }
    Ok(())
}

/// How long a report waits for its message: Meta repeats a POST for seven days, and no send takes longer.
const EARLY_FOR: SignedDuration = SignedDuration::from_hours(8 * 24);

/// Forgets reports whose message has not shown up. Their bytes stay in the posts.
pub(crate) fn forget(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<()> {
    let before = now.saturating_sub(EARLY_FOR).unwrap_or(Timestamp::MIN);
    connection
        .prepare_cached(
            "delete from pending_statuses where (workspace_id, account_id, wamid, status) in (
                 select workspace_id, account_id, wamid, status from pending_statuses
                 where received_at < ?1 order by received_at limit ?2)",
        )?
        .execute((micros(before), limit))?;
    Ok(())
}
