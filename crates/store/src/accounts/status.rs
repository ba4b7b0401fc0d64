//! Status and profile of an account, as reported by Meta.

use domain::access::audit::AuditEntry;
use domain::accounts::account::AccountChange;
use domain::accounts::suspension::SuspensionCause;
use domain::id::{AccountId, WorkspaceId};
use engine::ports::{AccountSuspension, PhoneNumberInfo};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::access::audit;
use crate::accounts::account_events;
use crate::accounts::account_events::AccountUpdateEvent;
use crate::error::SqlResult;
use crate::messages::probes;
use crate::revisions;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::sqlite::execute::Execute as _;

/// Cause of the suspension of an account whose credentials Meta refuses.
pub(crate) const REFUSED: &str = SuspensionCause::Refused.as_str();

pub(crate) fn update_status(
    connection: &Connection,
    scope: Scope,
    suspension: Option<&AccountSuspension>,
    entry: &AuditEntry,
) -> SqlResult<()> {
    let (workspace, id) = (scope.workspace, scope.account);
    let reason = suspension.map(|suspension| suspension.reason.as_str());
    let probe = match suspension {
        Some(suspension) if suspension.is_probed => probes::first_probe(connection, scope, entry.at)?,
        Some(_) | None => None,
    };
    let status = if reason.is_some() { "held" } else { "connected" };
    let n_rows = connection
        .prepare_cached(
            "update accounts
             set status = ?3, status_reason = ?4, updated_at = ?5,
                 suspension_cause = case when ?4 is not null then coalesce(suspension_cause, ?6) end,
                 resumed_at = case when ?4 is null then ?5 else resumed_at end, probe_at = ?7, probe_wait = ?8
             where workspace_id = ?1 and id = ?2 and removed_at is null
               and (status <> ?3 or status_reason is not ?4)",
        )?
        .execute(params![
            workspace.as_bytes(),
            id.as_bytes(),
            status,
            reason,
            micros(entry.at),
            REFUSED,
            probe.map(|probe| micros(probe.at)),
            probe.map(|probe| probes::wait_micros(probe.wait)),
        ])?;
    if n_rows == 0 {
        return Ok(());
    }
    record_change(connection, scope, entry)
}

/// Ends a suspension after a probe, if the account is still suspended for this reason.
pub(crate) fn resume_probed(
    connection: &Connection,
    scope: Scope,
    reason: &str,
    entry: &AuditEntry,
) -> SqlResult<()> {
    let key = (scope.workspace.as_bytes(), scope.account.as_bytes());
    let n_rows = connection
        .prepare_cached(
            "update accounts
             set status = 'connected', status_reason = null, suspension_cause = null, updated_at = ?5,
                 resumed_at = ?5, probe_at = null
             where workspace_id = ?1 and id = ?2 and removed_at is null and status = 'held'
               and status_reason = ?3 and coalesce(suspension_cause, ?4) = ?4",
        )?
        .execute((key.0, key.1, reason, REFUSED, micros(entry.at)))?;
    if n_rows == 0 {
        return Ok(());
    }
    record_change(connection, scope, entry)
}

/// Emits the event of a changed status, writes its audit entry and makes the directory change.
fn record_change(connection: &Connection, scope: Scope, entry: &AuditEntry) -> SqlResult<()> {
    let event = AccountUpdateEvent::new(AccountChange::Status);
    account_events::emit_account(connection, scope, &event, entry.at)?;
    audit::insert_entry(connection, entry)?;
    revisions::increment(connection, "directory")
}

/// Age from which an error that Meta reports says nothing about the present state of the account: Meta repeats webhooks
/// for days.
const MAX_ERROR_AGE: SignedDuration = SignedDuration::from_hours(1);

/// Returns `true` if an error that Meta reported at `at` describes the present state of the account: the error is recent,
/// and the account was not resumed since.
pub(crate) fn is_present(
    connection: &Connection,
    scope: Scope,
    at: Timestamp,
    now: Timestamp,
) -> SqlResult<bool> {
    if now.duration_since(at) > MAX_ERROR_AGE {
        return Ok(false);
    }
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from accounts
         where workspace_id = ?1 and id = ?2 and removed_at is null and coalesce(resumed_at <= ?3, 1))",
    )?;
    let key = (scope.workspace.as_bytes(), scope.account.as_bytes(), micros(at));
    Ok(statement.query_row(key, |row| row.get(0))?)
}

pub(crate) fn update_profile(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
    number: &PhoneNumberInfo,
    now: Timestamp,
) -> SqlResult<()> {
    let before = get_profile(connection, workspace, id)?;
    // A removed account has no row to update.
    connection
        .prepare_cached(
            "update accounts
             set display_phone_number = coalesce(?3, display_phone_number),
                 verified_name = coalesce(?4, verified_name), quality_rating = coalesce(?5, quality_rating),
                 messaging_limit_tier = coalesce(?6, messaging_limit_tier), updated_at = ?7
             where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .execute_any((
            workspace.as_bytes(),
            id.as_bytes(),
            &number.display_phone_number,
            &number.verified_name,
            &number.quality_rating,
            &number.messaging_limit_tier,
            micros(now),
        ))?;
    let after = get_profile(connection, workspace, id)?;
    if before == after {
        return Ok(());
    }
    let (Some(before), Some(after)) = (before, after) else { return Ok(()) };
    let scope = Scope { workspace, account: id };
    for (change, before, after) in [
        (AccountChange::Name, &before.verified_name, &after.verified_name),
        (AccountChange::Quality, &before.quality_rating, &after.quality_rating),
        (AccountChange::MessagingLimit, &before.messaging_limit_tier, &after.messaging_limit_tier),
    ] {
        // A value that was unknown before has not changed.
        if before.is_some() && before != after {
            account_events::emit_account(connection, scope, &AccountUpdateEvent::new(change), now)?;
        }
    }
    revisions::increment(connection, "directory")
}

row! {
    /// Columns of an account that Meta reports.
    #[derive(PartialEq)]
    struct ProfileRow {
        verified_name: Option<String> = get "verified_name",
        quality_rating: Option<String> = get "quality_rating",
        messaging_limit_tier: Option<String> = get "messaging_limit_tier",
        display_phone_number: Option<String> = get "display_phone_number",
    } from "accounts where workspace_id = ?1 and id = ?2 and removed_at is null"
}

fn get_profile(
    connection: &Connection,
    workspace: WorkspaceId,
    id: AccountId,
) -> SqlResult<Option<ProfileRow>> {
    ProfileRow::find(connection, (workspace.as_bytes(), id.as_bytes()))
}
