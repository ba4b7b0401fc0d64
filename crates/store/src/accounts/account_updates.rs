//! Updates of accounts that Meta reports: applied to the accounts, and always published as events.

use domain::accounts::account::AccountChange;
use domain::accounts::suspension::SuspensionChange;
use domain::id::{AccountId, WorkspaceId};
use domain::webhooks_in::update::AccountUpdate;
use engine::ports::{ChangeRoute, WebhookChange};
use jiff::Timestamp;
use rusqlite::{Connection, params};

use crate::accounts::account_events;
use crate::accounts::account_events::AccountUpdateEvent;
use crate::error::SqlResult;
use crate::row::{SelectRow as _, micros, row};
use crate::scope::Scope;
use crate::{revisions, update_watermarks};

/// Accounts that an update changes, and the times of the update.
struct UpdateTarget<'a> {
    workspace: WorkspaceId,
    waba_id: &'a str,
    /// Account of the update; `None` for all accounts of the WhatsApp Business Account.
    account: Option<AccountId>,
    /// Time of the update at Meta.
    at: Option<Timestamp>,
    now: Timestamp,
}

impl UpdateTarget<'_> {
    fn account_bytes(&self) -> Option<&[u8; 16]> {
        self.account.as_ref().map(AccountId::as_bytes)
    }

    /// Advances the watermark of a subject. Returns `false` if a newer update was received before.
    fn advance_watermark(&self, connection: &Connection, subject: &str) -> SqlResult<bool> {
        let subject = match self.account {
            Some(account) => format!("{subject}/{account}"),
            None => subject.to_owned(),
        };
        update_watermarks::advance(connection, self.workspace, self.waba_id, &subject, self.at)
    }
}

/// Applies an update and emits its event. Returns `true` if an account changed.
pub(crate) fn apply(
    connection: &Connection,
    route: &ChangeRoute,
    change: &WebhookChange,
    update: &AccountUpdate,
    now: Timestamp,
) -> SqlResult<bool> {
    let (workspace, waba_id) = (route.workspace, route.waba_id.as_str());
    let account = match (route.account, &update.number) {
        (Some(account), _) => Some(account),
        (None, Some(number)) => account_by_number(connection, workspace, waba_id, number)?,
        (None, None) => None,
    };
    let target = UpdateTarget { workspace, waba_id, account, at: change.time, now };
    // An update of a number that is not one of the workspace's accounts changes no account.
    let is_own = account.is_some() || update.number.is_none();
    let has_changes = is_own && apply_columns(connection, &target, update)?;
    if has_changes {
        revisions::increment(connection, "directory")?;
    }
    if update.change == AccountChange::Notice
        && let Some(code) = error_code(update)
    {
        tracing::warn!(waba.id = route.waba_id, code, "meta reports an error of an account");
    }
    let event = AccountUpdateEvent {
        field: Some(&change.field),
        details: update.details.as_ref(),
        ..AccountUpdateEvent::new(update.change)
    };
    match account {
        Some(account) => account_events::emit_account(connection, Scope { workspace, account }, &event, now)?,
        None => {
            let tier = update.tier.as_deref();
            account_events::emit_waba_update(connection, route, tier, &event, now)?;
        }
    }
    Ok(has_changes)
}

/// Updates the accounts. Returns `true` if an account changed.
fn apply_columns(
    connection: &Connection,
    target: &UpdateTarget<'_>,
    update: &AccountUpdate,
) -> SqlResult<bool> {
    let mut has_changes = false;
    if let Some(change) = &update.hold {
        has_changes |= change_suspension(connection, target, change)?;
    }
    for (column, value) in [
        ("quality_rating", &update.quality),
        ("messaging_limit_tier", &update.tier),
        ("verified_name", &update.name),
    ] {
        if let Some(value) = value {
            has_changes |= set_column(connection, target, column, value)?;
        }
    }
    Ok(has_changes)
}

/// Returns the code of an error that belongs to no message.
fn error_code(update: &AccountUpdate) -> Option<i64> {
    update.details.as_ref()?.get("code")?.as_i64()
}

row! {
    struct NumberRow {
        id: AccountId = id "id",
        display_phone_number: String = get "display_phone_number",
    } from "accounts
        where workspace_id = ?1 and waba_id = ?2 and removed_at is null and display_phone_number is not null"
}

/// Returns the account whose phone number has these digits.
fn account_by_number(
    connection: &Connection,
    workspace: WorkspaceId,
    waba_id: &str,
    digits: &str,
) -> SqlResult<Option<AccountId>> {
    let rows = NumberRow::list(connection, (workspace.as_bytes(), waba_id))?;
    let has_digits =
        |row: &NumberRow| row.display_phone_number.chars().filter(char::is_ascii_digit).eq(digits.chars());
    Ok(rows.into_iter().find(has_digits).map(|row| row.id))
}

fn change_suspension(
    connection: &Connection,
    target: &UpdateTarget<'_>,
    change: &SuspensionChange,
) -> SqlResult<bool> {
    let (SuspensionChange::Suspend(cause, _) | SuspensionChange::Resume(cause)) = change;
    if !target.advance_watermark(connection, &format!("hold/{}", cause.as_str()))? {
        return Ok(false);
    }
    let (workspace, account) = (target.workspace.as_bytes(), target.account_bytes());
    let n_rows = match change {
        // An account that is suspended for another cause keeps that cause: the end of this cause must not end the
        // suspension.
        SuspensionChange::Suspend(cause, reason) => connection
            .prepare_cached(
                "update accounts set status = 'held', status_reason = ?4, suspension_cause = ?5, updated_at = ?6
                 where workspace_id = ?1 and waba_id = ?2 and removed_at is null and status = 'connected'
                   and (?3 is null or id = ?3)",
            )?
            .execute(params![
                workspace,
                target.waba_id,
                account,
                reason,
                cause.as_str(),
                micros(target.now)
            ])?,
        SuspensionChange::Resume(cause) => connection
            .prepare_cached(
                "update accounts
                 set status = 'connected', status_reason = null, suspension_cause = null, updated_at = ?5,
                     resumed_at = ?5, probe_at = null, probe_wait = null
                 where workspace_id = ?1 and waba_id = ?2 and removed_at is null and status = 'held'
                   and suspension_cause = ?4 and (?3 is null or id = ?3)",
            )?
            .execute(params![workspace, target.waba_id, account, cause.as_str(), micros(target.now)])?,
    };
    Ok(n_rows > 0)
}

/// Sets one of the three columns in [`apply_columns`].
fn set_column(
    connection: &Connection,
    target: &UpdateTarget<'_>,
    column: &str,
    value: &str,
) -> SqlResult<bool> {
    if !target.advance_watermark(connection, column)? {
        return Ok(false);
    }
    let sql = format!(
        "update accounts set {column} = ?4, updated_at = ?5
         where workspace_id = ?1 and waba_id = ?2 and removed_at is null and {column} is not ?4
           and (?3 is null or id = ?3)"
    );
    let n_rows = connection.prepare_cached(&sql)?.execute(params![
        target.workspace.as_bytes(),
        target.waba_id,
        target.account_bytes(),
        value,
        micros(target.now)
    ])?;
    Ok(n_rows > 0)
}
