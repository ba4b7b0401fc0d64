//! Probes of suspended accounts: one queued message at a time.
//!
//! **Invariant:** a probe is due for one worker only. The lease of the message and the time of the next probe are
//! written in one transaction.

use domain::accounts::suspension;
use jiff::{SignedDuration, Timestamp};
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::revisions;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Time of a probe, and the wait before it.
#[derive(Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) at: Timestamp,
    pub(crate) wait: SignedDuration,
}

impl Probe {
    fn after(wait: SignedDuration, now: Timestamp) -> Self {
        Self { at: now.saturating_add(wait).unwrap_or(Timestamp::MAX), wait }
    }
}

row! {
    struct ProbeRow {
        probe_at: Option<Timestamp> = opt_at "probe_at",
        probe_wait: Option<i64> = get "probe_wait",
        resumed_at: Option<Timestamp> = opt_at "resumed_at",
        is_held: bool = flag "status = 'held'",
        is_refused: bool = flag "coalesce(suspension_cause, 'refused') = 'refused'",
    } from "accounts where workspace_id = ?1 and id = ?2 and removed_at is null"
}

impl ProbeRow {
    fn get(connection: &Connection, scope: Scope) -> SqlResult<Option<Self>> {
        Self::find(connection, (scope.workspace.as_bytes(), scope.account.as_bytes()))
    }

    fn wait(&self) -> Option<SignedDuration> {
        self.probe_wait.map(SignedDuration::from_micros)
    }
}

/// Returns the microseconds of a wait.
pub(crate) fn wait_micros(wait: SignedDuration) -> i64 {
    i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)
}

/// Returns the first probe of a suspension. A probe that is scheduled already stays. An account that Meta disabled is
/// not probed.
pub(crate) fn first_probe(connection: &Connection, scope: Scope, now: Timestamp) -> SqlResult<Option<Probe>> {
    let Some(row) = ProbeRow::get(connection, scope)? else { return Ok(None) };
    if row.is_held && !row.is_refused {
        return Ok(None);
    }
    let scheduled = row.probe_at.zip(row.wait()).filter(|_| row.is_held);
    if let Some((at, wait)) = scheduled {
        return Ok(Some(Probe { at, wait }));
    }
    let previous = row.wait().zip(row.resumed_at.map(|resumed_at| now.duration_since(resumed_at)));
    Ok(Some(Probe::after(suspension::first_probe_wait(previous), now)))
}

/// Returns `true` if the probe of a suspended account is due.
pub(crate) fn is_due(connection: &Connection, scope: Scope, now: Timestamp) -> SqlResult<bool> {
    let row = ProbeRow::get(connection, scope)?;
    Ok(row.is_some_and(|row| row.is_held && row.probe_at.is_some_and(|probe_at| probe_at <= now)))
}

/// Schedules the probe after the present one.
pub(crate) fn schedule_next(connection: &Connection, scope: Scope, now: Timestamp) -> SqlResult<()> {
    let previous = ProbeRow::get(connection, scope)?.and_then(|row| row.wait()).unwrap_or_default();
    let next = Probe::after(suspension::next_probe_wait(previous), now);
    let key = (scope.workspace.as_bytes(), scope.account.as_bytes());
    connection
        .prepare_cached(
            "update accounts set probe_at = ?3, probe_wait = ?4 where workspace_id = ?1 and id = ?2",
        )?
        .execute_one((key.0, key.1, micros(next.at), wait_micros(next.wait)))?;
    revisions::increment(connection, "directory")
}
