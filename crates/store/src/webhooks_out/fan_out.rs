//! Fan-out: each event becomes a delivery to each endpoint whose filter matches, in the queue of its contact.
//!
//! **Invariant:** an event is fanned out once: the cursor moves in the transaction that inserts the deliveries.

use domain::id::WorkspaceId;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::row::Cells;
use crate::webhooks_out::delivery_queues::NewDelivery;
use crate::webhooks_out::endpoints::EndpointFilter;
use crate::webhooks_out::{delivery_queues, endpoints, replays, routed_events};

/// Fans out the next events. Returns `true` if there are more.
pub(crate) fn fan_out_events(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<bool> {
    let mut has_more = replays::fan_out_replays(connection, now, limit)?;
    for (workspace, cursor, end) in list_behind(connection)? {
        let endpoints = endpoints::list_filters(connection, workspace)?;
        // Events from before the oldest endpoint have no receiver.
        let start =
            endpoints.iter().map(|endpoint| endpoint.after).min().map_or(end, |after| after.max(cursor));
        let found = routed_events::list_routed(connection, workspace, (start, end), limit)?;
        for found in &found {
            let wanted =
                |endpoint: &&EndpointFilter| endpoint.after < found.event.position && found.is_for(endpoint);
            for endpoint in endpoints.iter().filter(wanted) {
                let new = NewDelivery {
                    workspace,
                    webhook: endpoint.id,
                    event: found.event.position,
                    queue_key: &found.queue_key(workspace),
                    is_redelivery: false,
                    ends_at: delivery_queues::expires_at(found.event.at),
                    now,
                };
                delivery_queues::insert_delivery(connection, &new)?;
            }
        }
        let reached = found.last().map_or(end, |found| found.event.position);
        connection
            .prepare_cached(
                "insert into fan_out_cursors (workspace_id, seq) values (?1, ?2)
                 on conflict (workspace_id) do update set seq = excluded.seq",
            )?
            .execute((workspace.as_bytes(), reached))?;
        has_more |= reached < end;
    }
    Ok(has_more)
}

/// Lists the workspaces with endpoints and events that are not fanned out: their cursor and the last position of
/// their log.
fn list_behind(connection: &Connection) -> SqlResult<Vec<(WorkspaceId, i64, i64)>> {
    let mut statement = connection.prepare_cached(
        "select w.workspace_id, coalesce((select seq from fan_out_cursors c where c.workspace_id = w.workspace_id), 0)
         from webhook_endpoints w where w.removed_at is null group by w.workspace_id",
    )?;
    let mut rows = statement.query(())?;
    let mut workspaces: Vec<(WorkspaceId, i64)> = Vec::new();
    while let Some(row) = rows.next()? {
        let mut cells = Cells::new("webhook_endpoints", row);
        workspaces.push((cells.id()?, cells.get()?));
    }
    let mut behind = Vec::new();
    for (workspace, cursor) in workspaces {
        let end = log::last_position(connection, workspace)?;
        if cursor < end {
            behind.push((workspace, cursor, end));
        }
    }
    Ok(behind)
}

/// Returns `true` if [`fan_out_events`] has work.
pub(crate) fn has_work(connection: &Connection) -> SqlResult<bool> {
    let has_past = connection
        .prepare_cached("select exists (select 1 from replays)")?
        .query_row((), |row| row.get::<_, bool>(0))?;
    Ok(has_past || !list_behind(connection)?.is_empty())
}
