//! Recipients of templates outside the customer service window, which Meta's messaging limit counts.
//!
//! Meta: Messaging limits, <https://developers.facebook.com/docs/whatsapp/messaging-limits>
//!
//! **Invariant:** a queued message to an uncounted recipient is sent only with a reservation. Counted recipients and
//! reservations together never exceed the limit, with any number of concurrent workers.
//!
//! **Invariant:** a lease does not count rows: triggers update the counters.

use std::collections::BTreeMap;

use domain::accounts::account::AccountChange;
use domain::events::{AccountData, EventKind, MessagingLimitData};
use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::json::{Object, Value};
use domain::messages::messaging_limit::{COUNTING_PERIOD, MessagingLimit, MessagingLimitLevel};
use domain::messages::status::MessageStatus;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::contacts::service_windows;
use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::messages::outbound_state;
use crate::messages::outbound_state::OutboundState;
use crate::row::{Cells, micros};
use crate::scope::Scope;

/// Business portfolio: the workspace, and the ID of the WhatsApp Business Account.
#[derive(Clone, Copy)]
struct Portfolio<'a> {
    workspace: WorkspaceId,
    waba_id: &'a str,
}

/// Counts the recipient of a template that was sent at `now`, or may have been sent, unless the window was open.
pub(crate) fn count_recipient(
    connection: &Connection,
    current: &OutboundState,
    now: Timestamp,
) -> SqlResult<()> {
    if current.kind != "template" {
        return Ok(());
    }
    let Some(waba_id) = get_waba_id(connection, current.workspace, current.account)? else { return Ok(()) };
    let portfolio = Portfolio { workspace: current.workspace, waba_id: &waba_id };
    expire_recipients(connection, portfolio, now)?;
    // A recipient with a reservation is counted, even if the contact has written in the meantime.
    if !confirm_reservation(connection, current, &waba_id, now)? {
        let scope = Scope { workspace: current.workspace, account: current.account };
        if service_windows::get_window(connection, scope, current.contact)?.is_open(now) {
            return Ok(());
        }
        connection
            .prepare_cached(
                "insert into messaging_limit_recipients (workspace_id, waba_id, contact_id, counted_at) values (?1, ?2, ?3, ?4)
                 on conflict (workspace_id, waba_id, contact_id) do update set
                     counted_at = excluded.counted_at, reserved_by = null",
            )?
            .execute((current.workspace.as_bytes(), &waba_id, current.contact.as_bytes(), micros(now)))?;
        // Further messages to this recipient do not count again.
        release(connection, current.workspace, current.contact)?;
    }
    notify_usage(connection, portfolio, now)
}

/// Counts the recipient of a message of a dead worker. If a report has set a final status, the recipient is counted
/// only with a reservation.
pub(crate) fn count_unfinished(
    connection: &Connection,
    workspace: WorkspaceId,
    message: MessageId,
    now: Timestamp,
) -> SqlResult<()> {
    let Some(current) = outbound_state::get_state(connection, workspace, message)? else { return Ok(()) };
    if current.status == MessageStatus::Unknown {
        return count_recipient(connection, &current, now);
    }
    let Some(waba_id) = get_waba_id(connection, workspace, current.account)? else { return Ok(()) };
    if confirm_reservation(connection, &current, &waba_id, now)? {
        notify_usage(connection, Portfolio { workspace, waba_id: &waba_id }, now)?;
    }
    Ok(())
}

/// Counts the recipient of a message's reservation. Returns `false` if the message has no reservation.
fn confirm_reservation(
    connection: &Connection,
    current: &OutboundState,
    waba_id: &str,
    now: Timestamp,
) -> SqlResult<bool> {
    let n_rows = connection
        .prepare_cached(
            "update messaging_limit_recipients set reserved_by = null, counted_at = ?5
             where workspace_id = ?1 and waba_id = ?2 and contact_id = ?3 and reserved_by = ?4",
        )?
        .execute((
            current.workspace.as_bytes(),
            waba_id,
            current.contact.as_bytes(),
            current.message.as_bytes(),
            micros(now),
        ))?;
    Ok(n_rows == 1)
}

/// Releases the reservation of a message that was not sent.
pub(crate) fn release_reservation(connection: &Connection, current: &OutboundState) -> SqlResult<()> {
    if current.kind != "template" {
        return Ok(());
    }
    connection
        .prepare_cached(
            "delete from messaging_limit_recipients
             where workspace_id = ?1 and contact_id = ?3 and reserved_by = ?4
               and waba_id = (select waba_id from accounts where workspace_id = ?1 and id = ?2)",
        )?
        .execute((
            current.workspace.as_bytes(),
            current.account.as_bytes(),
            current.contact.as_bytes(),
            current.message.as_bytes(),
        ))?;
    Ok(())
}

/// Remaining capacity of an account's messaging limit.
pub(crate) struct Capacity {
    pub(crate) workspace: WorkspaceId,
    pub(crate) waba_id: String,
    /// Number of further recipients; `None` if the limit is unlimited or unknown.
    pub(crate) left: Option<u32>,
}

impl Capacity {
    pub(crate) fn get(connection: &Connection, scope: Scope, now: Timestamp) -> SqlResult<Self> {
        let Scope { workspace, account } = scope;
        let waba_id = get_waba_id(connection, workspace, account)?.unwrap_or_default();
        let portfolio = Portfolio { workspace, waba_id: &waba_id };
        let left = match limit(connection, portfolio)? {
            None => None,
            Some((limit, _)) => {
                expire_recipients(connection, portfolio, now)?;
                limit.remaining(n_used(connection, portfolio)?)
            }
        };
        Ok(Self { workspace, waba_id, left })
    }

    /// Returns `true` if a template may be sent to a contact whose window is closed. Inserts the reservation that the
    /// message needs.
    pub(crate) fn reserve(
        &mut self,
        connection: &Connection,
        contact: ContactId,
        message: MessageId,
        now: Timestamp,
    ) -> SqlResult<bool> {
        let Some(left) = self.left else { return Ok(true) };
        let is_counted: bool = connection
            .prepare_cached(
                "select exists (select 1 from messaging_limit_recipients where workspace_id = ?1 and waba_id = ?2 and contact_id = ?3)",
            )?
            .query_row((self.workspace.as_bytes(), &self.waba_id, contact.as_bytes()), |row| row.get(0))?;
        if is_counted {
            return Ok(true);
        }
        let Some(left) = left.checked_sub(1) else { return Ok(false) };
        self.left = Some(left);
        connection
            .prepare_cached(
                "insert into messaging_limit_recipients (workspace_id, waba_id, contact_id, counted_at, reserved_by)
                 values (?1, ?2, ?3, ?4, ?5)",
            )?
            .execute((
                self.workspace.as_bytes(),
                &self.waba_id,
                contact.as_bytes(),
                micros(now),
                message.as_bytes(),
            ))?;
        Ok(true)
    }

    /// Releases deferred messages of the account, as many as the capacity and `limit_to` allow.
    pub(crate) fn release_deferred(
        &self,
        connection: &Connection,
        account: AccountId,
        limit_to: usize,
    ) -> SqlResult<()> {
        let n = usize::try_from(self.left.unwrap_or(u32::MAX)).unwrap_or(usize::MAX).min(limit_to);
        if n == 0 {
            return Ok(());
        }
        connection
            .prepare_cached(
                "update messages set deferred_by = null
                 where workspace_id = ?1 and seq in (
                     select seq from messages
                     where account_id = ?2 and status = 'queued' and deferred_by is not null
                     order by due_at, seq limit ?3)",
            )?
            .execute((self.workspace.as_bytes(), account.as_bytes(), i64::try_from(n).unwrap_or(i64::MAX)))?;
        Ok(())
    }
}

/// Returns `true` if the account has deferred messages.
pub(crate) fn has_deferred(connection: &Connection, account: AccountId) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from messages
         where account_id = ?1 and status = 'queued' and deferred_by is not null)",
    )?;
    Ok(statement.query_row([account.as_bytes()], |row| row.get(0))?)
}

/// Defers a queued message until the limit has capacity.
pub(crate) fn defer(connection: &Connection, workspace: WorkspaceId, message: MessageId) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update messages set deferred_by = 'messaging_limit'
             where workspace_id = ?1 and id = ?2 and status = 'queued' and worker_id is null",
        )?
        .execute((workspace.as_bytes(), message.as_bytes()))?;
    Ok(())
}

/// Releases the deferred messages to a contact that was counted or has written.
pub(crate) fn release(connection: &Connection, workspace: WorkspaceId, contact: ContactId) -> SqlResult<()> {
    // The plus sign keeps SQLite from using the index of all messages of the contact.
    connection
        .prepare_cached(
            "update messages set deferred_by = null
             where +workspace_id = ?1 and contact_id = ?2 and mode = 'queue' and status in ('queued', 'sending')
               and deferred_by is not null",
        )?
        .execute((workspace.as_bytes(), contact.as_bytes()))?;
    Ok(())
}

/// Deletes recipients older than 24 hours, and emits events for limits that have reached a threshold: a tier may have
/// changed.
pub(crate) fn refresh_usage(connection: &Connection, now: Timestamp) -> SqlResult<()> {
    let portfolios = {
        let mut statement =
            connection.prepare_cached("select workspace_id, waba_id from messaging_limit_usage")?;
        let mut rows = statement.query(())?;
        let mut portfolios: Vec<(WorkspaceId, String)> = Vec::new();
        while let Some(row) = rows.next()? {
            let mut cells = Cells::new("messaging_limit_usage", row);
            portfolios.push((cells.id()?, cells.get()?));
        }
        portfolios
    };
    for (workspace, waba_id) in &portfolios {
        let portfolio = Portfolio { workspace: *workspace, waba_id };
        expire_recipients(connection, portfolio, now)?;
        notify_usage(connection, portfolio, now)?;
    }
    Ok(())
}

/// Emits an event when the number of recipients has reached a threshold of the limit.
fn notify_usage(connection: &Connection, portfolio: Portfolio<'_>, now: Timestamp) -> SqlResult<()> {
    let Portfolio { workspace, waba_id } = portfolio;
    let mut statement = connection
        .prepare_cached("select n_recipients, notified_percent from messaging_limit_usage where workspace_id = ?1 and waba_id = ?2")?;
    let mut rows = statement.query((workspace.as_bytes(), waba_id))?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut cells = Cells::new("messaging_limit_usage", row);
    let n_recipients: u32 = cells.get()?;
    let percent: u32 = cells.get()?;
    let notified = MessagingLimitLevel::ALL.into_iter().find(|level| level.percent() == percent);
    let notified = notified.ok_or_else(|| cells.corrupt(percent.to_string()))?;
    let limit = limit(connection, portfolio)?;
    let level = notified.after(n_recipients, limit.as_ref().map(|(limit, _)| *limit));
    if level == notified {
        return Ok(());
    }
    connection
        .prepare_cached(
            "update messaging_limit_usage set notified_percent = ?3 where workspace_id = ?1 and waba_id = ?2",
        )?
        .execute((workspace.as_bytes(), waba_id, level.percent()))?;
    match limit {
        Some((MessagingLimit::Recipients(max_recipients), tier)) if level > notified => {
            let mut details = Object::new();
            details.insert("level", i64::from(level.percent()));
            details.insert("limit", i64::from(max_recipients));
            let data = AccountData {
                field: None,
                whatsapp_account_id: None,
                waba_id,
                name: None,
                change: AccountChange::MessagingLimitUsed,
                status: None,
                status_reason: None,
                quality_rating: None,
                messaging_limit: Some(MessagingLimitData { tier: Some(&tier), used_24h: Some(n_recipients) }),
                details: Some(&Value::Object(details)),
            };
            let about = About { waba_id: Some(waba_id), ..About::workspace(workspace, now) };
            log::emit(connection, &about, EventKind::AccountStatus, &data)?;
            Ok(())
        }
        Some(_) | None => Ok(()),
    }
}

/// Returns the smallest limit that Meta reports for an account of the portfolio, with its tier.
fn limit(connection: &Connection, portfolio: Portfolio<'_>) -> SqlResult<Option<(MessagingLimit, String)>> {
    let Portfolio { workspace, waba_id } = portfolio;
    let mut statement = connection.prepare_cached(
        "select messaging_limit_tier from accounts
         where workspace_id = ?1 and waba_id = ?2 and removed_at is null and messaging_limit_tier is not null",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), waba_id))?;
    let mut smallest = None;
    while let Some(row) = rows.next()? {
        let tier: String = row.get(0)?;
        let found = MessagingLimit::from_tier(&tier).map(|limit| (limit, tier));
        smallest = match (smallest, found) {
            (Some(one), Some(other)) => Some(std::cmp::min::<(MessagingLimit, String)>(one, other)),
            (one, other) => one.or(other),
        };
    }
    Ok(smallest)
}

/// Returns the number of counted recipients and reservations.
fn n_used(connection: &Connection, portfolio: Portfolio<'_>) -> SqlResult<u32> {
    let Portfolio { workspace, waba_id } = portfolio;
    let found: Option<u32> = connection
        .prepare_cached(
            "select n_recipients + n_reserved from messaging_limit_usage where workspace_id = ?1 and waba_id = ?2",
        )?
        .query_row((workspace.as_bytes(), waba_id), |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// Deletes recipients older than 24 hours.
fn expire_recipients(connection: &Connection, portfolio: Portfolio<'_>, now: Timestamp) -> SqlResult<()> {
    let Portfolio { workspace, waba_id } = portfolio;
    let since = now.saturating_sub(COUNTING_PERIOD).unwrap_or(Timestamp::MIN);
    connection
        .prepare_cached("delete from messaging_limit_recipients where workspace_id = ?1 and waba_id = ?2 and counted_at <= ?3")?
        .execute((workspace.as_bytes(), waba_id, micros(since)))?;
    Ok(())
}

fn get_waba_id(
    connection: &Connection,
    workspace: WorkspaceId,
    account: AccountId,
) -> SqlResult<Option<String>> {
    Ok(connection
        .prepare_cached("select waba_id from accounts where workspace_id = ?1 and id = ?2")?
        .query_row((workspace.as_bytes(), account.as_bytes()), |row| row.get(0))
        .optional()?)
}

/// Returns the number of recipients since a time, by WhatsApp Business Account.
pub(crate) fn list_usage(
    connection: &Connection,
    workspace: WorkspaceId,
    since: Timestamp,
) -> SqlResult<BTreeMap<String, u32>> {
    let mut statement = connection.prepare_cached(
        "select waba_id, count(*) from messaging_limit_recipients
         where workspace_id = ?1 and counted_at > ?2 and reserved_by is null group by waba_id",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), micros(since)))?;
    let mut usage = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messaging_limit_recipients", row);
        usage.insert(cells.get()?, cells.get()?);
    }
    Ok(usage)
}
