//! Fan-out: each event becomes a delivery to each endpoint whose filter matches, in the queue of its contact.
//!
//! **Invariant:** an event is fanned out once: the cursor moves in the transaction that inserts the deliveries.

use domain::id::WorkspaceId;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::SqlResult;
use crate::events::log;
use crate::row::{SelectRow as _, row};
use crate::sqlite::execute::Execute as _;
use crate::webhooks_out::delivery_queues::NewDelivery;
use crate::webhooks_out::endpoints::EndpointFilter;
use crate::webhooks_out::{delivery_queues, endpoints, replays, routed_events};

/// Fans out the next events. Returns `true` if there are more.
pub(crate) fn fan_out_events(connection: &Connection, now: Timestamp, limit: u32) -> SqlResult<bool> {
    let mut has_more = replays::fan_out_replays(connection, now, limit)?;
    for Backlog { workspace, cursor, end } in list_backlogs(connection)? {
        let endpoints = endpoints::list_filters(connection, workspace)?;
        // No endpoint receives events from before the oldest endpoint.
        let start =
            endpoints.iter().map(|endpoint| endpoint.after).min().map_or(end, |after| after.max(cursor));
        let events = routed_events::list_routed(connection, workspace, start, end, limit)?;
        for routed in &events {
            let receives = |endpoint: &&EndpointFilter| {
                endpoint.after < routed.event.position && routed.is_for(endpoint)
            };
            for endpoint in endpoints.iter().filter(receives) {
                let new = NewDelivery {
                    workspace,
                    webhook: endpoint.id,
                    event: routed.event.position,
                    queue_key: &routed.queue_key(workspace),
                    is_redelivery: false,
                    expires_at: delivery_queues::expires_at(routed.event.at),
                    now,
                };
                delivery_queues::insert_delivery(connection, &new)?;
            }
        }
        let position = events.last().map_or(end, |last| last.event.position);
        connection
            .prepare_cached(
                "insert into fan_out_cursors (workspace_id, seq) values (?1, ?2)
                 on conflict (workspace_id) do update set seq = excluded.seq",
            )?
            .execute_one((workspace.as_bytes(), position))?;
        has_more |= position < end;
    }
    Ok(has_more)
}

/// Events of a workspace that are not fanned out: the positions after `cursor`, up to `end`.
struct Backlog {
    workspace: WorkspaceId,
    cursor: i64,
    end: i64,
}

row! {
    struct CursorRow {
        workspace: WorkspaceId = id "w.workspace_id",
        cursor: i64 = get "coalesce((select seq from fan_out_cursors c where c.workspace_id = w.workspace_id), 0)",
    } from "webhook_endpoints w where w.removed_at is null group by w.workspace_id"
}

/// Lists the workspaces with endpoints and events that are not fanned out.
fn list_backlogs(connection: &Connection) -> SqlResult<Vec<Backlog>> {
    let mut backlogs = Vec::new();
    for CursorRow { workspace, cursor } in CursorRow::list(connection, ())? {
        let end = log::last_position(connection, workspace)?;
        if cursor < end {
            backlogs.push(Backlog { workspace, cursor, end });
        }
    }
    Ok(backlogs)
}

/// Returns `true` if [`fan_out_events`] has work.
pub(crate) fn has_work(connection: &Connection) -> SqlResult<bool> {
    let has_replays = connection
        .prepare_cached("select exists (select 1 from replays)")?
        .query_row((), |row| row.get::<_, bool>(0))?;
    Ok(has_replays || !list_backlogs(connection)?.is_empty())
}
