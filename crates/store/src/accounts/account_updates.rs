//! Updates of accounts that Meta reports: applied to the accounts, and always published as events.

use domain::accounts::account::AccountChange;
use domain::accounts::suspension::SuspensionChange;
use domain::id::{AccountId, WorkspaceId};
use domain::webhooks_in::update::AccountUpdate;
use engine::ports::{ChangeRoute, RoutedChange};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::accounts::account_events;
use crate::accounts::account_events::ReportedUpdate;
use crate::error::SqlResult;
use crate::row::{Cells, micros};
use crate::{revisions, update_watermarks};

/// Applies an update and emits its event. Returns `true` if an account changed.
pub(crate) fn apply(
    connection: &Connection,
    (route, part): (&ChangeRoute, &RoutedChange),
    update: &AccountUpdate,
    now: Timestamp,
) -> SqlResult<bool> {
    let place = (route.workspace, route.waba_id.as_str());
    let account = match (route.account, &update.number) {
        (Some(account), _) => Some(account),
        (None, Some(number)) => account_by_number(connection, place, number)?,
        (None, None) => None,
    }; // An update of a number that is not one of the workspace's accounts changes no account.
    let is_ours = account.is_some() || update.number.is_none();
    let mut has_changes = false;
    if is_ours {
        if let Some(hold) = &update.hold {
            has_changes |= change_suspension(connection, (place, account), hold, (part.change.time, now))?;
        }
        for (column, value) in [
            ("quality_rating", &update.quality),
            ("messaging_limit_tier", &update.tier),
            ("verified_name", &update.name),
        ] {
            if let Some(value) = value {
                has_changes |= set(connection, (place, account), (column, value), (part.change.time, now))?;
            }
        }
    }
    if has_changes {
        revisions::increment(connection, "directory")?;
    }
    if update.change == AccountChange::Notice
        && let Some(code) = error_code(update)
    {
        tracing::warn!(waba.id = route.waba_id, code, "meta reports an error of an account");
    }
    let news =
        ReportedUpdate { change: update.change, field: &part.change.field, details: update.details.as_ref() };
    match account {
        Some(account) => account_events::emit_update(connection, (route.workspace, account), &news, now)?,
        None => account_events::emit_waba_update(connection, place, (update.tier.as_deref(), &news), now)?,
    }
    Ok(has_changes)
}

/// Returns the code of an error that belongs to no message.
fn error_code(update: &AccountUpdate) -> Option<i64> {
    update.details.as_ref()?.get("code")?.as_i64()
}

/// Returns the account whose phone number has these digits.
fn account_by_number(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    number: &str,
) -> SqlResult<Option<AccountId>> {
    let mut statement = connection.prepare_cached( "select id, display_phone_number from accounts
         where workspace_id = ?1 and waba_id = ?2 and removed_at is null and display_phone_number is not null", )?;
    let mut rows = statement.query((workspace.as_bytes(), waba_id))?;
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("accounts", row);
        let id = cells.id()?;
        let shown: String = cells.get()?;
        if shown.chars().filter(char::is_ascii_digit).eq(number.chars()) {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// WhatsApp Business Account, and the one account of it that the update is about. `None`: all accounts.
type UpdateTarget<'a> = ((WorkspaceId, &'a str), Option<AccountId>);

/// Returns the subject of the update's watermark.
fn subject(what: &str, account: Option<AccountId>) -> String {
    match account {
        Some(account) => format!("{what}/{account}"),
        None => what.to_owned(),
    }
}

fn change_suspension(
    connection: &Connection,
    (place, account): UpdateTarget<'_>,
    change: &SuspensionChange,
    (at, now): (Option<Timestamp>, Timestamp),
) -> SqlResult<bool> {
    let (SuspensionChange::Suspend(cause, _) | SuspensionChange::Resume(cause)) = change;
    if !update_watermarks::advance(
        connection,
        place,
        &subject(&format!("hold/{}", cause.as_str()), account),
        at,
    )? {
        return Ok(false);
    }
    let (workspace, waba_id) = place;
    let only = account.as_ref().map(AccountId::as_bytes);
    let n_rows = match change { // An account that is suspended for another cause keeps that cause: the end of this cause must not end the
        // suspension.
 SuspensionChange::Suspend(cause, reason) => connection .prepare_cached( "update accounts set status = 'held', status_reason = ?4, suspension_cause = ?5, updated_at = ?6
                 where workspace_id = ?1 and waba_id = ?2 and removed_at is null and status = 'connected'
                   and (?3 is null or id = ?3)", )? .execute(params![workspace.as_bytes(), waba_id, only, reason, cause.as_str(), micros(now)])?, SuspensionChange::Resume(cause) => connection .prepare_cached( "update accounts set status = 'connected', status_reason = null, suspension_cause = null, updated_at = ?5
                 where workspace_id = ?1 and waba_id = ?2 and removed_at is null and status = 'held'
                   and suspension_cause = ?4 and (?3 is null or id = ?3)", )? .execute(params![workspace.as_bytes(), waba_id, only, cause.as_str(), micros(now)])?, };
    Ok(n_rows > 0)
}

fn set(
    connection: &Connection,
    (place, account): UpdateTarget<'_>,
    (column, value): (&str, &str),
    (at, now): (Option<Timestamp>, Timestamp),
) -> SqlResult<bool> {
    if !update_watermarks::advance(connection, place, &subject(column, account), at)? {
        return Ok(false);
    }
    let (workspace, waba_id) = place; // The column is one of the three columns in `apply`.
    let sql = format!(
        "update accounts set {column} = ?4, updated_at = ?5
         where workspace_id = ?1 and waba_id = ?2 and removed_at is null and {column} is not ?4
           and (?3 is null or id = ?3)"
    );
    let n_rows = connection.prepare_cached(&sql)?.execute(params![
        workspace.as_bytes(),
        waba_id,
        account.as_ref().map(AccountId::as_bytes),
        value,
        micros(now)
    ])?;
    Ok(n_rows > 0)
}
