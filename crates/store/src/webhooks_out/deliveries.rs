//! Deliveries: the head of each queue is claimed when it is due, and settled by what the endpoint said.
//!
//! **Invariant:** a queue has a row in `lanes` exactly as long as something waits in it.
//!
//! **Invariant:** a queue is held by one worker at a time, so that its events go out one after the other.

use domain::access::audit::AuditEntry;
use domain::events::{EventKind, WebhookData};
use domain::id::{DeliveryId, ReplayId, WebhookId, WorkerId, WorkspaceId};
use domain::webhooks_out::delivery::{DISABLED_AFTER, DeliveryDecision, FAILING_AFTER, LIFE};
use engine::ports::{
    ClaimToken, ClaimedDelivery, DeliveryClaim, DeliveryEnd, DeliveryFilter, DeliveryRequest, HookWork, Page,
    PageRequest, StoredDelivery, StoredEvent,
};
use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params};

use crate::access::audit;
use crate::accounts::directory;
use crate::error::SqlResult;
use crate::events::log;
use crate::events::log::About;
use crate::row::{Cells, micros};
use crate::sqlite::page::{List, Order, bytes, text};
use crate::webhooks_out::fan_out;
use crate::webhooks_out::fan_out::NewDelivery;
use crate::webhooks_out::fan_out::has_work;

/// What there is to do.
pub(crate) fn work(connection: &Connection, now: Timestamp) -> SqlResult<HookWork> {
    let mut statement = connection.prepare_cached(
        "select workspace_id, id from webhook_endpoints w
         where removed_at is null and is_enabled = 1 and status <> 'disabled'
           and exists (select 1 from delivery_queues l where l.webhook_id = w.id and l.worker_id is null and l.due_at <= ?1)",
    )?;
    let mut rows = statement.query([micros(now)])?;
    let mut due = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("webhook_endpoints", row);
        due.push((cells.id()?, cells.id()?));
    }
    let has_ended = connection
        .prepare_cached(
            "select exists (
                 select 1 from deliveries where status in ('pending', 'failed') and expires_at <= ?1)",
        )?
        .query_row([micros(now)], |row| row.get::<_, bool>(0))?;
    Ok(HookWork {
        has_events: has_work(connection)?,
        has_ended: has_ended || !gone(connection)?.is_empty(),
        due,
    })
}

/// Endpoints that are no more, or get nothing more, for which something waits.
fn gone(connection: &Connection) -> SqlResult<Vec<WebhookId>> {
    let mut statement = connection.prepare_cached(
        "select id from webhook_endpoints w where (status = 'disabled' or removed_at is not null)
           and exists (select 1 from delivery_queues l where l.webhook_id = w.id)",
    )?;
    let rows = statement.query_map((), |row| row.get(0))?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().map(WebhookId::from_bytes).collect())
}

pub(crate) fn claim(connection: &Connection, request: &DeliveryRequest) -> SqlResult<Vec<ClaimedDelivery>> {
    let mut claimed = Vec::new();
    for (workspace, webhook, room) in &request.room {
        for lane in due_lanes(connection, (*workspace, *webhook), request.now, *room)? {
            connection
                .prepare_cached(
                    "update delivery_queues set worker_id = ?3, lease_token = ?4 where webhook_id = ?1 and queue_key = ?2",
                )?
                .execute((webhook.as_bytes(), &lane, request.worker.as_bytes(), request.token.0))?;
            match head(connection, (*workspace, *webhook), lane, request.token)? {
                Ok(found) => claimed.push(found),
                Err(lane) => drop_lane(connection, *webhook, &lane)?,
            }
        }
    }
    Ok(claimed)
}

/// What is attempted for the first time goes before what failed: a few that hang do not keep the others waiting.
fn due_lanes(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    now: Timestamp,
    room: u32,
) -> SqlResult<Vec<Vec<u8>>> {
    let mut lanes: Vec<Vec<u8>> = Vec::new();
    for has_failed in [false, true] {
        let left = i64::from(room) - i64::try_from(lanes.len()).unwrap_or(i64::MAX);
        lanes.extend(due_lanes_that(connection, (workspace, webhook), has_failed, (now, left.max(0)))?);
    }
    Ok(lanes)
}

fn due_lanes_that(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    has_failed: bool,
    (now, room): (Timestamp, i64),
) -> SqlResult<Vec<Vec<u8>>> {
    let mut statement = connection.prepare_cached(
        "select l.queue_key from delivery_queues l
         join webhook_endpoints w on w.id = l.webhook_id
         where l.webhook_id = ?2 and l.worker_id is null and l.due_at <= ?3 and w.workspace_id = ?1
           and w.removed_at is null and w.is_enabled = 1 and w.status <> 'disabled'
           and (l.n_failures > 0) = ?5
         order by l.due_at limit ?4",
    )?;
    let rows = statement
        .query_map((workspace.as_bytes(), webhook.as_bytes(), micros(now), room, has_failed), |row| {
            row.get(0)
        })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The head of a held queue; the queue itself if it is empty.
fn head(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    lane: Vec<u8>,
    token: ClaimToken,
) -> SqlResult<Result<ClaimedDelivery, Vec<u8>>> {
    loop {
        let mut statement = connection.prepare_cached(
            "select d.seq, d.is_redelivery, d.expires_at, d.event_seq, l.n_failures
             from deliveries d join delivery_queues l on l.webhook_id = d.webhook_id and l.queue_key = d.queue_key
             where d.webhook_id = ?1 and d.queue_key = ?2 and d.status in ('pending', 'failed') order by d.seq limit 1",
        )?;
        let mut rows = statement.query((webhook.as_bytes(), &lane))?;
        let Some(row) = rows.next()? else { return Ok(Err(lane)) };
        let mut cells = Cells::new("deliveries", row);
        let position: i64 = cells.get()?;
        let is_redelivery = cells.flag()?;
        let ends_at = cells.at()?;
        let event: i64 = cells.get()?;
        let n_failures = cells.get()?;
        if let Some(event) = one_event(connection, workspace, event)? {
            let claim = DeliveryClaim { workspace, webhook, lane, position, token };
            return Ok(Ok(ClaimedDelivery { claim, event, n_failures, ends_at, is_redelivery }));
        }
        // Its event is no longer kept: there is nothing to post.
        finish(connection, (workspace, position), "dead")?;
    }
}

fn one_event(
    connection: &Connection,
    workspace: WorkspaceId,
    position: i64,
) -> SqlResult<Option<StoredEvent>> {
    let mut statement = connection.prepare_cached(
        "select seq, kind, created_at, data from events where workspace_id = ?1 and seq = ?2",
    )?;
    let mut rows = statement.query((workspace.as_bytes(), position))?;
    let Some(row) = rows.next()? else { return Ok(None) };
    log::read(workspace, &mut Cells::new("events", row)).map(Some)
}

fn finish(connection: &Connection, key: (WorkspaceId, i64), status: &str) -> SqlResult<()> {
    connection
        .prepare_cached("update deliveries set status = ?3 where workspace_id = ?1 and seq = ?2")?
        .execute((key.0.as_bytes(), key.1, status))?;
    Ok(())
}

fn drop_lane(connection: &Connection, webhook: WebhookId, lane: &[u8]) -> SqlResult<()> {
    connection
        .prepare_cached("delete from delivery_queues where webhook_id = ?1 and queue_key = ?2")?
        .execute((webhook.as_bytes(), lane))?;
    Ok(())
}

pub(crate) fn settle(
    connection: &Connection,
    claim: &DeliveryClaim,
    end: &DeliveryEnd,
) -> SqlResult<Option<ClaimedDelivery>> {
    let status = match end.verdict {
        DeliveryDecision::Succeeded => "succeeded",
        DeliveryDecision::Retry { .. } => "failed",
        DeliveryDecision::Dead | DeliveryDecision::Gone => "dead",
    };
    // What became a dead letter meanwhile stays one, unless the endpoint took it after all.
    connection
        .prepare_cached(
            "update deliveries
             set status = case when status = 'dead' and ?3 <> 'succeeded' then status else ?3 end,
                 n_attempts = n_attempts + 1, http_status = ?4, latency_ms = ?5, last_attempt_at = ?7,
                 -- The answer may repeat what was posted, and the person may have been erased meanwhile.
                 response = case when exists (
                     select 1 from events e
                     where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq
                       and e.erased_at is not null) then null else ?6 end
             where workspace_id = ?1 and seq = ?2",
        )?
        .execute(params![
            claim.workspace.as_bytes(),
            claim.position,
            status,
            end.http_status,
            end.latency_ms,
            end.response,
            micros(end.now),
        ])?;
    judge(connection, claim, end)?;
    let is_held = connection
        .prepare_cached(
            "select lease_token = ?3 from delivery_queues where webhook_id = ?1 and queue_key = ?2",
        )?
        .query_row((claim.webhook.as_bytes(), &claim.lane, claim.token.0), |row| {
            row.get::<_, Option<bool>>(0)
        })
        .optional()?;
    if is_held.flatten() != Some(true) {
        // Another holds the queue by now: what becomes of it is not ours to say.
        return Ok(None);
    }
    let (n_failures_grow, due_at) = match end.verdict {
        DeliveryDecision::Retry { at } => (true, at),
        DeliveryDecision::Succeeded | DeliveryDecision::Dead | DeliveryDecision::Gone => (false, end.now),
    };
    let goes_on = end.goes_on && !n_failures_grow && takes(connection, claim)?;
    connection
        .prepare_cached(
            "update delivery_queues
             set n_failures = case when ?3 then n_failures + 1 else 0 end, due_at = ?4,
                 worker_id = case when ?5 then worker_id end, lease_token = case when ?5 then lease_token end
             where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute((claim.webhook.as_bytes(), &claim.lane, n_failures_grow, micros(due_at), goes_on))?;
    if n_failures_grow {
        return Ok(None);
    }
    match head(connection, (claim.workspace, claim.webhook), claim.lane.clone(), claim.token)? {
        Ok(next) => Ok(Some(next).filter(|_| goes_on)),
        Err(lane) => {
            drop_lane(connection, claim.webhook, &lane)?;
            Ok(None)
        }
    }
}

/// Whether the endpoint still gets anything.
fn takes(connection: &Connection, claim: &DeliveryClaim) -> SqlResult<bool> {
    let mut statement = connection.prepare_cached(
        "select exists (
             select 1 from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null and is_enabled = 1
               and status <> 'disabled')",
    )?;
    Ok(statement.query_row((claim.workspace.as_bytes(), claim.webhook.as_bytes()), |row| row.get(0))?)
}

/// What an attempt says of its endpoint.
fn judge(connection: &Connection, claim: &DeliveryClaim, end: &DeliveryEnd) -> SqlResult<()> {
    let key = (claim.workspace.as_bytes(), claim.webhook.as_bytes());
    if end.verdict == DeliveryDecision::Succeeded {
        let n_rows = connection
            .prepare_cached(
                "update webhook_endpoints set n_failures = 0, failing_since = null, status = 'active'
                 where workspace_id = ?1 and id = ?2 and (n_failures > 0 or status = 'failing')
                   and status <> 'disabled'",
            )?
            .execute(key)?;
        return if n_rows > 0 { directory::bump(connection, "directory") } else { Ok(()) };
    }
    let mut statement = connection.prepare_cached(
        "update webhook_endpoints set n_failures = n_failures + 1, failing_since = coalesce(failing_since, ?3)
         where workspace_id = ?1 and id = ?2 and removed_at is null and status <> 'disabled'
         returning n_failures, failing_since",
    )?;
    let mut rows = statement.query((key.0, key.1, micros(end.now)))?;
    let Some(row) = rows.next()? else { return Ok(()) };
    let mut cells = Cells::new("webhook_endpoints", row);
    let n_failures: u32 = cells.get()?;
    let failing_since = cells.at()?;
    drop(rows);
    if end.verdict == DeliveryDecision::Gone {
        return disable(connection, claim, "the endpoint answered 410: it is gone", end.now);
    }
    if end.now.duration_since(failing_since) >= DISABLED_AFTER {
        return disable(connection, claim, "the endpoint has failed for five days", end.now);
    }
    if n_failures == FAILING_AFTER {
        connection
            .prepare_cached(
                "update webhook_endpoints set status = 'failing' where workspace_id = ?1 and id = ?2",
            )?
            .execute(key)?;
        directory::bump(connection, "directory")?;
    }
    Ok(())
}

/// Switches an endpoint off for good, and tells the others. What waits for it becomes dead letters step by step.
fn disable(connection: &Connection, claim: &DeliveryClaim, reason: &str, now: Timestamp) -> SqlResult<()> {
    let name: String = connection
        .prepare_cached(
            "update webhook_endpoints set status = 'disabled', status_reason = ?3
             where workspace_id = ?1 and id = ?2 returning name",
        )?
        .query_row((claim.workspace.as_bytes(), claim.webhook.as_bytes(), reason), |row| row.get(0))?;
    let data = WebhookData { webhook_id: claim.webhook, name: &name, reason: Some(reason) };
    let about = About::workspace(claim.workspace, now);
    log::emit(connection, &about, EventKind::WebhookDisabled, &data)?;
    directory::bump(connection, "directory")
}

/// Makes dead letters of what has run out of time, or waits for an endpoint that is no more.
pub(crate) fn end(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<u32> {
    let mut ended = {
        let mut statement = connection.prepare_cached(
            "select workspace_id, seq, webhook_id, queue_key from deliveries
             where status in ('pending', 'failed') and expires_at <= ?1 limit ?2",
        )?;
        let mut rows = statement.query((micros(now), limit))?;
        ended_rows(&mut rows)?
    };
    for webhook in gone(connection)? {
        let mut statement = connection.prepare_cached(
            "select workspace_id, seq, webhook_id, queue_key from deliveries
             where webhook_id = ?1 and status in ('pending', 'failed') limit ?2",
        )?;
        let mut rows = statement.query((webhook.as_bytes(), limit))?;
        let found = ended_rows(&mut rows)?;
        if found.is_empty() {
            connection
                .prepare_cached("delete from delivery_queues where webhook_id = ?1")?
                .execute([webhook.as_bytes()])?;
        }
        ended.extend(found);
    }
    for (workspace, position, webhook, lane) in &ended {
        let was_head = head_of(connection, *webhook, lane)? == Some(*position);
        finish(connection, (*workspace, *position), "dead")?;
        match head_of(connection, *webhook, lane)? {
            None => {
                // A queue that is held is cleared away by its holder.
                connection
                    .prepare_cached(
                        "delete from delivery_queues where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
                    )?
                    .execute((webhook.as_bytes(), lane))?;
            }
            Some(_) if was_head => {
                connection
                    .prepare_cached(
                        "update delivery_queues set n_failures = 0, due_at = ?3
                         where webhook_id = ?1 and queue_key = ?2 and worker_id is null",
                    )?
                    .execute((webhook.as_bytes(), lane, micros(now)))?;
            }
            Some(_) => {}
        }
    }
    Ok(u32::try_from(ended.len()).unwrap_or(u32::MAX))
}

type Ended = (WorkspaceId, i64, WebhookId, Vec<u8>);

fn ended_rows(rows: &mut rusqlite::Rows<'_>) -> SqlResult<Vec<Ended>> {
    let mut ended = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("deliveries", row);
        ended.push((cells.id()?, cells.get()?, cells.id()?, cells.get()?));
    }
    Ok(ended)
}

fn head_of(connection: &Connection, webhook: WebhookId, lane: &[u8]) -> SqlResult<Option<i64>> {
    let mut statement = connection.prepare_cached(
        "select seq from deliveries
         where webhook_id = ?1 and queue_key = ?2 and status in ('pending', 'failed') order by seq limit 1",
    )?;
    Ok(statement.query_row((webhook.as_bytes(), lane), |row| row.get(0)).optional()?)
}

/// Lets go of the queues that silent workers held.
pub(crate) fn recover(connection: &Connection, silent_since: Timestamp, limit: u32) -> SqlResult<u32> {
    let n_rows = connection
        .prepare_cached(
            "update delivery_queues set worker_id = null, lease_token = null
             where (webhook_id, queue_key) in (
                 select l.webhook_id, l.queue_key from delivery_queues l left join workers w on w.id = l.worker_id
                 where l.worker_id is not null and (w.heartbeat_at is null or w.heartbeat_at < ?1) limit ?2)",
        )?
        .execute((micros(silent_since), limit))?;
    Ok(u32::try_from(n_rows).unwrap_or(u32::MAX))
}

/// Writes a test event and its delivery, which is held at once.
pub(crate) fn begin_test(
    connection: &Connection,
    (workspace, webhook): (WorkspaceId, WebhookId),
    (worker, token, lane): (WorkerId, ClaimToken, ReplayId),
    act: &AuditEntry,
) -> SqlResult<Option<ClaimedDelivery>> {
    let now = act.at;
    let name: Option<String> = connection
        .prepare_cached(
            "select name from webhook_endpoints where workspace_id = ?1 and id = ?2 and removed_at is null",
        )?
        .query_row((workspace.as_bytes(), webhook.as_bytes()), |row| row.get(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let data = WebhookData { webhook_id: webhook, name: &name, reason: None };
    let about = About { webhook: Some(webhook), ..About::workspace(workspace, now) };
    let event = log::emit(connection, &about, EventKind::WebhookTest, &data)?;
    let lane = lane.as_bytes();
    let ends_at = now.saturating_add(LIFE).unwrap_or(Timestamp::MAX);
    let new = NewDelivery { workspace, webhook, event, lane, is_redelivery: false, ends_at, now };
    fan_out::put(connection, &new)?;
    connection
        .prepare_cached(
            "update delivery_queues set worker_id = ?3, lease_token = ?4 where webhook_id = ?1 and queue_key = ?2",
        )?
        .execute((webhook.as_bytes(), lane, worker.as_bytes(), token.0))?;
    audit::write(connection, act)?;
    Ok(head(connection, (workspace, webhook), lane.to_vec(), token)?.ok())
}

const COLUMNS: &str = "seq, webhook_id, is_redelivery, status, n_attempts, http_status, latency_ms, response, last_attempt_at, \
    created_at, event_seq, \
    (select l.due_at from delivery_queues l
     where l.webhook_id = deliveries.webhook_id and l.queue_key = deliveries.queue_key and l.worker_id is null
       and deliveries.status in ('pending', 'failed')
       and not exists (
           select 1 from deliveries d where d.webhook_id = deliveries.webhook_id and d.queue_key = deliveries.queue_key
             and d.status in ('pending', 'failed') and d.seq < deliveries.seq)), \
    (select e.kind from events e where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq), \
    (select e.created_at from events e where e.workspace_id = deliveries.workspace_id and e.seq = deliveries.event_seq), \
    seq";

fn read(workspace: WorkspaceId, cells: &mut Cells<'_>) -> SqlResult<StoredDelivery> {
    let webhook = cells.id()?;
    let is_redelivery = cells.flag()?;
    let status = cells.word()?;
    let n_attempts = cells.get()?;
    let http_status = cells.get()?;
    let latency_ms = cells.get()?;
    let response = cells.get()?;
    let at = cells.opt_at()?;
    let created_at = cells.at()?;
    let event_position: i64 = cells.get()?;
    let next_attempt_at = cells.opt_at()?;
    let kind: Option<String> = cells.get()?;
    let event_at = cells.opt_at()?;
    let position = cells.get()?;
    let event = kind.zip(event_at).and_then(|(kind, at)| {
        let id = domain::id::EventId::at(workspace, event_position, at);
        Some(StoredEvent { position: event_position, id, kind: kind.parse().ok()?, at, data: String::new() })
    });
    Ok(StoredDelivery {
        id: DeliveryId::at(workspace, position, created_at),
        webhook,
        event,
        is_redelivery,
        status,
        n_attempts,
        http_status,
        latency_ms,
        response,
        at,
        next_attempt_at,
        created_at,
    })
}

pub(crate) fn page(
    connection: &Connection,
    workspace: WorkspaceId,
    filter: &DeliveryFilter,
    page: PageRequest,
) -> SqlResult<Page<StoredDelivery>> {
    let mut list = List::of("deliveries", COLUMNS, Order::NewestFirst);
    list.with("workspace_id = ?", [bytes(workspace.as_bytes())]);
    if let Some(webhook) = &filter.webhook {
        list.with("webhook_id = ?", [bytes(webhook.as_bytes())]);
    }
    if let Some(status) = filter.status {
        list.with("status = ?", [text(status.as_str())]);
    }
    if let Some(position) = filter.position {
        list.with("seq = ?", [Value::Integer(position)]);
    }
    list.page(connection, page, |cells| read(workspace, cells))
}
