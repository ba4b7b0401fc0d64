//! Whom templates have reached outside the window: what Meta's messaging limit counts (reference D.3).
//!
//! **Invariant:** a message of the queue that would reach one more person leaves with a reservation only: it never makes
//! people reached and reservations together more than the limit, however many processes claim.
//!
//! **Invariant:** a claim does not count rows: triggers keep the numbers.

use std::collections::BTreeMap;

use domain::events::{AccountChange, AccountData, EventKind, MessagingLimitData};
use domain::id::{AccountId, ContactId, MessageId, WorkspaceId};
use domain::json::{Object, Value};
use domain::messages::message::MessageStatus;
use domain::messages::messaging_limit::{COUNTED_FOR, MessagingLimit, MessagingLimitLevel};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::contacts::service_windows;
use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::messages::outbound_state;
use crate::messages::outbound_state::OutboundState;
use crate::row::{Cells, micros};

/// A portfolio, as far as it is known here: the tenant, and Meta's id of the WhatsApp Business Account.
type Portfolio<'a> = (WorkspaceId, &'a str);

/// Counts the person whom a template has reached at `now`, or may have, unless their window was open.
pub(crate) fn count_recipient(
    connection: &Connection,
    current: &OutboundState,
    now: Timestamp,
) -> SqlResult<()> {
    if current.kind != "template" {
        return Ok(());
    }
    let Some(waba_id) = get_waba_id(connection, current.workspace, current.account)? else { return Ok(()) };
    let portfolio = (current.workspace, waba_id.as_str());
    expire_recipients(connection, portfolio, now)?;
    // Who was reached with a reservation is counted even if they have written since.
    if !confirm_reservation(connection, current, &waba_id, now)? {
        if service_windows::get_window(connection, (current.workspace, current.account), current.contact)?
            .is_open(now)
        {
            return Ok(());
        }
        connection
            .prepare_cached(
                "insert into messaging_limit_recipients (workspace_id, waba_id, contact_id, counted_at) values (?1, ?2, ?3, ?4)
                 on conflict (workspace_id, waba_id, contact_id) do update set
                     counted_at = excluded.counted_at, reserved_by = null",
            )?
            .execute((current.workspace.as_bytes(), &waba_id, current.contact.as_bytes(), micros(now)))?;
        // Another message to this person costs nothing more.
        release(connection, current.workspace, current.contact)?;
    }
    notify_usage(connection, portfolio, now)
}

/// Counts the person whom a message of a dead process may have reached; one that a report told more of is counted if it
/// had a reservation.
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
        notify_usage(connection, (workspace, &waba_id), now)?;
    }
    Ok(())
}

/// Makes a message's reservation a person who is counted. `false`: it has none.
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

/// Gives a reservation back whose message has reached nobody.
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

/// What the limit of an account still has room for.
pub(crate) struct Capacity {
    pub(crate) workspace: WorkspaceId,
    pub(crate) waba_id: String,
    /// People who may be reached; `None`: any number, or nobody knows.
    pub(crate) left: Option<u32>,
}

impl Capacity {
    pub(crate) fn look(
        connection: &Connection,
        (workspace, account): (WorkspaceId, AccountId),
        now: Timestamp,
    ) -> SqlResult<Self> {
        let waba_id = get_waba_id(connection, workspace, account)?.unwrap_or_default();
        let portfolio = (workspace, waba_id.as_str());
        let left = match limit(connection, portfolio)? {
            None => None,
            Some((limit, _)) => {
                expire_recipients(connection, portfolio, now)?;
                limit.left(n_used(connection, portfolio)?)
            }
        };
        Ok(Self { workspace, waba_id, left })
    }

    /// Whether a template may go to this person, whose window is closed; makes the reservation that it needs.
    pub(crate) fn admit(
        &mut self,
        connection: &Connection,
        (contact, message): (ContactId, MessageId),
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

    /// Lets as many of the account's messages that wait for the limit be due as there is room for, at most so many.
    pub(crate) fn fill(&self, connection: &Connection, account: AccountId, at_most: usize) -> SqlResult<()> {
        let n = usize::try_from(self.left.unwrap_or(u32::MAX)).unwrap_or(usize::MAX).min(at_most);
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

/// Whether messages of this account wait for the limit.
pub(crate) fn has_deferred(connection: &Connection, account: AccountId) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (select 1 from messages
         where account_id = ?1 and status = 'queued' and deferred_by is not null)",
    )?;
    Ok(statement.query_row([account.as_bytes()], |row| row.get(0))?)
}

/// Lets a message of the queue wait for the limit.
pub(crate) fn defer(connection: &Connection, workspace: WorkspaceId, message: MessageId) -> SqlResult<()> {
    connection
        .prepare_cached(
            "update messages set deferred_by = 'messaging_limit'
             where workspace_id = ?1 and id = ?2 and status = 'queued' and worker_id is null",
        )?
        .execute((workspace.as_bytes(), message.as_bytes()))?;
    Ok(())
}

/// Lets what waits for the limit be due if it is for this person: they were reached, or have written.
pub(crate) fn release(connection: &Connection, workspace: WorkspaceId, contact: ContactId) -> SqlResult<()> {
    // The plus keeps the planner from the index of all messages of the person.
    connection
        .prepare_cached(
            "update messages set deferred_by = null
             where +workspace_id = ?1 and contact_id = ?2 and mode = 'queue' and status in ('queued', 'sending')
               and deferred_by is not null",
        )?
        .execute((workspace.as_bytes(), contact.as_bytes()))?;
    Ok(())
}

/// Forgets whom 24 hours have passed for, and tells which limits have come to a mark: a tier may have changed.
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
        expire_recipients(connection, (*workspace, waba_id), now)?;
        notify_usage(connection, (*workspace, waba_id), now)?;
    }
    Ok(())
}

/// Tells it when the people reached have come to a mark of the limit.
fn notify_usage(
    connection: &Connection,
    (workspace, waba_id): Portfolio<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let mut statement = connection
        .prepare_cached("select n_recipients, notified_percent from messaging_limit_usage where workspace_id = ?1 and waba_id = ?2")?;
    let mut rows = statement.query((workspace.as_bytes(), waba_id))?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut cells = Cells::new("messaging_limit_usage", row);
    let n_people: u32 = cells.get()?;
    let percent: u32 = cells.get()?;
    let told = MessagingLimitLevel::ALL.into_iter().find(|level| level.percent() == percent);
    let told = told.ok_or_else(|| cells.corrupt(percent.to_string()))?;
    let limit = limit(connection, (workspace, waba_id))?;
    let level = told.after(n_people, limit.as_ref().map(|(limit, _)| *limit));
    if level == told {
        return Ok(());
    }
    connection
        .prepare_cached(
            "update messaging_limit_usage set notified_percent = ?3 where workspace_id = ?1 and waba_id = ?2",
        )?
        .execute((workspace.as_bytes(), waba_id, level.percent()))?;
    match limit {
        Some((MessagingLimit::People(people), tier)) if level > told => {
            let mut details = Object::new();
            details.insert("level", i64::from(level.percent()));
            details.insert("limit", i64::from(people));
            let data = AccountData {
                field: None,
                whatsapp_account_id: None,
                waba_id,
                name: None,
                change: AccountChange::MessagingLimitUsed,
                status: None,
                status_reason: None,
                quality_rating: None,
                messaging_limit: Some(MessagingLimitData { tier: Some(&tier), used_24h: Some(n_people) }),
                details: Some(&Value::Object(details)),
            };
            let about = About { waba_id: Some(waba_id), ..About::workspace(workspace, now) };
            log::emit(connection, &about, EventKind::AccountStatus, &data)?;
            Ok(())
        }
        Some(_) | None => Ok(()),
    }
}

/// The smallest limit that Meta reports for an account of this portfolio, with its tier; `None`: it reports none.
fn limit(
    connection: &Connection,
    (workspace, waba_id): Portfolio<'_>,
) -> SqlResult<Option<(MessagingLimit, String)>> {
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

/// People who are counted, and those who are about to be.
fn n_used(connection: &Connection, (workspace, waba_id): Portfolio<'_>) -> SqlResult<u32> {
    let found: Option<u32> = connection
        .prepare_cached(
            "select n_recipients + n_reserved from messaging_limit_usage where workspace_id = ?1 and waba_id = ?2",
        )?
        .query_row((workspace.as_bytes(), waba_id), |row| row.get(0))
        .optional()?;
    Ok(found.unwrap_or(0))
}

/// Forgets whom 24 hours have passed for.
fn expire_recipients(
    connection: &Connection,
    (workspace, waba_id): Portfolio<'_>,
    now: Timestamp,
) -> SqlResult<()> {
    let since = now.saturating_sub(COUNTED_FOR).unwrap_or(Timestamp::MIN);
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

/// How many people each WhatsApp Business Account has reached since a time.
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
    let mut reached = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("messaging_limit_recipients", row);
        reached.insert(cells.get()?, cells.get()?);
    }
    Ok(reached)
}
