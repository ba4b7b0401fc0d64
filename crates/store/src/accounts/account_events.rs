//! Events about accounts: the rows behind an event, read and written into its data.

use domain::accounts::account::AccountChange;
use domain::events::{AccountData, EventKind, MessagingLimitData};
use domain::json::Value;
use engine::ports::ChangeRoute;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::{SelectRow as _, row};
use crate::scope::Scope;

/// Change of an account, with the data of its event.
#[derive(Clone, Copy)]
pub(crate) struct AccountUpdateEvent<'a> {
    pub(crate) change: AccountChange,
    /// Name of the webhook field that reported the change.
    pub(crate) field: Option<&'a str>,
    /// Value of the webhook field, as received.
    pub(crate) details: Option<&'a Value>,
    /// Number of recipients that count against the messaging limit.
    pub(crate) used_24h: Option<u32>,
}

impl AccountUpdateEvent<'_> {
    /// Creates the event of a change without further data.
    pub(crate) fn new(change: AccountChange) -> Self {
        Self { change, field: None, details: None, used_24h: None }
    }
}

row! {
    struct WabaStatusRow {
        status: String = get "status",
        status_reason: Option<String> = get "status_reason",
    } from "accounts
        where workspace_id = ?1 and waba_id = ?2 and removed_at is null
        order by status = 'held' desc limit 1"
}

/// Emits one event for an update of a WhatsApp Business Account and all its accounts.
pub(crate) fn emit_waba_update(
    connection: &Connection,
    route: &ChangeRoute,
    tier: Option<&str>,
    update: &AccountUpdateEvent<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let (workspace, waba_id) = (route.workspace, route.waba_id.as_str());
    // A suspended account determines the reported status.
    let status = if update.change == AccountChange::Status {
        WabaStatusRow::find(connection, (workspace.as_bytes(), waba_id))?
    } else {
        None
    };
    let data = AccountData {
        whatsapp_account_id: None,
        waba_id,
        name: None,
        change: update.change,
        status: status.as_ref().map(|row| row.status.as_str()),
        status_reason: status.as_ref().and_then(|row| row.status_reason.as_deref()),
        quality_rating: None,
        messaging_limit: tier.map(|tier| MessagingLimitData { tier: Some(tier), used_24h: None }),
        field: update.field,
        details: update.details,
    };
    let about = About { waba_id: Some(waba_id), ..About::workspace(workspace, now) };
    log::emit(connection, &about, EventKind::AccountStatus, &data)?;
    Ok(())
}

row! {
    struct AccountEventRow {
        waba_id: String = get "waba_id",
        name: String = get "name",
        status: String = get "status",
        status_reason: Option<String> = get "status_reason",
        quality_rating: Option<String> = get "quality_rating",
        tier: Option<String> = get "messaging_limit_tier",
    } from "accounts where workspace_id = ?1 and id = ?2 and removed_at is null"
}

/// Emits an event with the present state of an account. A removed account has no event.
pub(crate) fn emit_account(
    connection: &Connection,
    scope: Scope,
    update: &AccountUpdateEvent<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let Scope { workspace, account } = scope;
    let row = AccountEventRow::find(connection, (workspace.as_bytes(), account.as_bytes()))?;
    let Some(row) = row else { return Ok(()) };
    let data = AccountData {
        whatsapp_account_id: Some(account),
        waba_id: &row.waba_id,
        name: Some(&row.name),
        change: update.change,
        status: Some(&row.status),
        status_reason: row.status_reason.as_deref(),
        quality_rating: row.quality_rating.as_deref(),
        messaging_limit: Some(MessagingLimitData { tier: row.tier.as_deref(), used_24h: update.used_24h }),
        field: update.field,
        details: update.details,
    };
    let about = About { account: Some(account), ..About::workspace(workspace, now) };
    log::emit(connection, &about, EventKind::AccountStatus, &data)?;
    Ok(())
}
