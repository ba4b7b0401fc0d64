//! Events about accounts: the rows behind an event, read and written into its data.

use domain::accounts::account::AccountChange;
use domain::events::{AccountData, EventKind, MessagingLimitData};
use domain::id::{AccountId, WorkspaceId};
use domain::json::Value;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;

/// Update of an account that Meta reported.
pub(crate) struct ReportedUpdate<'a> {
    pub(crate) change: AccountChange,
    /// Name of the webhook field.
    pub(crate) field: &'a str,
    /// Value of the webhook field, as received.
    pub(crate) details: Option<&'a Value>,
}

/// Emits an event for an update of an account.
pub(crate) fn emit_update(
    connection: &Connection,
    place: (WorkspaceId, AccountId),
    update: &ReportedUpdate<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    emit_account_data(connection, place, update.change, (None, Some(update.field), update.details), now)
}

/// Emits one event for an update of a WhatsApp Business Account and all its accounts.
pub(crate) fn emit_waba_update(
    connection: &Connection,
    (workspace, waba_id): (WorkspaceId, &str),
    (tier, update): (Option<&str>, &ReportedUpdate<'_>),
    now: Timestamp,
) -> SqlResult<()> {
    // A suspended account determines the reported status.
    let status: Option<(String, Option<String>)> = connection
        .prepare_cached(
            "select status, status_reason from accounts
             where workspace_id = ?1 and waba_id = ?2 and removed_at is null
             order by status = 'held' desc limit 1",
        )?
        .query_row((workspace.as_bytes(), waba_id), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let is_status_change = update.change == AccountChange::Status;
    let (status, status_reason) = status.filter(|_| is_status_change).unzip();
    let status_reason = status_reason.flatten();
    let data = AccountData {
        whatsapp_account_id: None,
        waba_id,
        name: None,
        change: update.change,
        status: status.as_deref(),
        status_reason: status_reason.as_deref(),
        quality_rating: None,
        messaging_limit: tier.map(|tier| MessagingLimitData { tier: Some(tier), used_24h: None }),
        field: Some(update.field),
        details: update.details,
    };
    let about = About { waba_id: Some(waba_id), ..About::workspace(workspace, now) };
    log::emit(connection, &about, EventKind::AccountStatus, &data)?;
    Ok(())
}

/// Emits an event with the present state of an account.
pub(crate) fn emit_account(
    connection: &Connection,
    place: (WorkspaceId, AccountId),
    change: AccountChange,
    (used_24h, details): (Option<u32>, Option<&Value>),
    now: Timestamp,
) -> SqlResult<()> {
    emit_account_data(connection, place, change, (used_24h, None, details), now)
}

fn emit_account_data(
    connection: &Connection,
    (workspace, account): (WorkspaceId, AccountId),
    change: AccountChange,
    (used_24h, field, details): (Option<u32>, Option<&str>, Option<&Value>),
    now: Timestamp,
) -> SqlResult<()> {
    type Row = (String, String, String, Option<String>, Option<String>, Option<String>);
    let row: Option<Row> = connection
        .prepare_cached(
            "select waba_id, name, status, status_reason, quality_rating, messaging_limit_tier
             from accounts where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row((workspace.as_bytes(), account.as_bytes()), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some((waba_id, name, status, status_reason, quality_rating, tier)) = row else { return Ok(()) };
    let data = AccountData {
        whatsapp_account_id: Some(account),
        waba_id: &waba_id,
        name: Some(&name),
        change,
        status: Some(&status),
        status_reason: status_reason.as_deref(),
        quality_rating: quality_rating.as_deref(),
        messaging_limit: Some(MessagingLimitData { tier: tier.as_deref(), used_24h }),
        field,
        details,
    };
    let about = About { account: Some(account), ..About::workspace(workspace, now) };
    log::emit(connection, &about, EventKind::AccountStatus, &data)?;
    Ok(())
}
