//! End of an attempt whose contact was erased in the meantime.

use domain::messages::status::MessageStatus;
use engine::ports::{AttemptResult, Lease};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::error::SqlResult;
use crate::messages::outbound_state::OutboundState;
use crate::messages::timeline::TimelineRow;
use crate::messages::{pending_statuses, timeline, wamids};
use crate::row::micros;
use crate::scope::Scope;

/// Stores the result of an attempt to send to an erased contact, without personal data. The message is not retried.
pub(crate) fn finish_erased_attempt(
    connection: &Connection,
    current: &mut OutboundState,
    lease: &Lease,
    result: &AttemptResult,
    now: Timestamp,
) -> SqlResult<()> {
    let is_leased = current.lease_token == Some(lease.token.0);
    let (status, wamid, failure_code) = match result {
        AttemptResult::Sent(accepted) => (MessageStatus::Sent, Some(accepted.wamid.as_str()), None),
        AttemptResult::Failed(failure) => (MessageStatus::Failed, None, Some(failure.code)),
        AttemptResult::Unknown { .. } => (MessageStatus::Unknown, None, None),
        AttemptResult::Retry { .. } | AttemptResult::RetryDownload { .. } => {
            (MessageStatus::Canceled, None, None)
        }
    };
    let digest = wamid.map(wamids::erased_wamid);
    let before = current.status;
    current.status = before.after(status);
    connection
        .prepare_cached(
            "update messages
             set status = ?3, wamid = coalesce(?4, wamid), failure_code = coalesce(?5, failure_code), updated_at = ?6,
                 worker_id = case when ?7 then null else worker_id end,
                 lease_token = case when ?7 then null else lease_token end
             where workspace_id = ?1 and id = ?2",
        )?
        .execute(params![
            lease.workspace.as_bytes(),
            lease.message.as_bytes(),
            current.status.as_str(),
            digest,
            failure_code.filter(|_| current.status == MessageStatus::Failed),
            micros(now),
            is_leased,
        ])?;
    current.moved_from(connection, before)?;
    let entry = TimelineRow { wamid: digest.as_deref(), failure_code, ..TimelineRow::ours(status, now) };
    timeline::insert_entry(connection, current, &entry)?;
    if let Some((wamid, digest)) = wamid.zip(digest.as_deref()) {
        wamids::insert_wamid(connection, current, digest, lease.attempt)?;
        let scope = Scope { workspace: lease.workspace, account: current.account };
        pending_statuses::erase_statuses(connection, scope, wamid)?;
    }
    Ok(())
}
