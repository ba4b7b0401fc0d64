//! Statistics for `/metrics`. Each value is read from an index or a counter.

use std::path::Path;

use domain::id::{AccountId, WorkspaceId};
use engine::ports::{QueueStats, StoreStats};
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::messages::queue_depth;
use crate::row::{SelectRow as _, micros, row};

row! {
    struct UnknownRow {
        account: AccountId = id "account_id",
        n_messages: u32 = get "count(*)",
    } from "messages where status = 'unknown' group by account_id"
}

row! {
    /// Number of open deliveries of a workspace. The bound and the plus sign make SQLite use the index of open
    /// deliveries.
    struct OpenDeliveriesRow {
        workspace: WorkspaceId = id "workspace_id",
        n_deliveries: u32 = get "count(*)",
    } from "deliveries
        where status in ('pending', 'failed') and expires_at > 0
        group by +workspace_id"
}

row! {
    struct UsageRow {
        workspace: WorkspaceId = id "workspace_id",
        waba_id: String = get "waba_id",
        n_recipients: u32 = get "n_recipients",
    } from "messaging_limit_usage"
}

const DEFERRED: &str = "select count(*) from messages
    where account_id = ?1 and status = 'queued' and deferred_by is not null";

const DUE: &str = "select due_at from messages
    where account_id = ?1 and status = 'queued' and worker_id is null and deferred_by is null and due_at <= ?2
    order by due_at limit 1";

pub(crate) fn get_stats(connection: &Connection, path: &Path, now: Timestamp) -> SqlResult<StoreStats> {
    let mut stats = StoreStats { database_bytes: database_bytes(connection)?, ..StoreStats::default() };
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    // A missing write-ahead log has no bytes.
    stats.wal_bytes = std::fs::metadata(wal).map_or(0, |file| file.len());
    for (account, n_messages) in queue_depth::list_depths(connection)? {
        let queue = QueueStats {
            n_messages,
            n_deferred: n_deferred(connection, account)?,
            due_since: due_since(connection, account, now)?,
        };
        stats.queues.insert(account, queue);
    }
    for row in UnknownRow::list(connection, ())? {
        stats.unknown.insert(row.account, row.n_messages);
    }
    for row in UsageRow::list(connection, ())? {
        stats.messaging_limit_usage.insert((row.workspace, row.waba_id), row.n_recipients);
    }
    for row in OpenDeliveriesRow::list(connection, ())? {
        stats.deliveries_waiting.insert(row.workspace, row.n_deliveries);
    }
    Ok(stats)
}

fn database_bytes(connection: &Connection) -> SqlResult<u64> {
    let pragma = |sql| connection.prepare_cached(sql)?.query_row((), |row| row.get::<_, i64>(0));
    let n_bytes = pragma("pragma page_count")?.saturating_mul(pragma("pragma page_size")?);
    Ok(u64::try_from(n_bytes).unwrap_or(0))
}

fn n_deferred(connection: &Connection, account: AccountId) -> SqlResult<u32> {
    let mut statement = connection.prepare_cached(DEFERRED)?;
    Ok(statement.query_row([account.as_bytes()], |row| row.get(0))?)
}

fn due_since(connection: &Connection, account: AccountId, now: Timestamp) -> SqlResult<Option<Timestamp>> {
    let mut statement = connection.prepare_cached(DUE)?;
    let found: Option<i64> =
        statement.query_row((account.as_bytes(), micros(now)), |row| row.get(0)).optional()?;
    Ok(found.and_then(|micros| Timestamp::from_microsecond(micros).ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statistic_reads_all_messages_or_all_deliveries() {
        let mut connection = Connection::open_in_memory().unwrap();
        crate::sqlite::migrate::run(&mut connection, Timestamp::UNIX_EPOCH).unwrap();
        for (sql, index) in [
            (UnknownRow::SELECT, "messages_unknown"),
            (OpenDeliveriesRow::SELECT, "deliveries_expiring"),
            (DEFERRED, "messages_deferred"),
            (DUE, "messages_due"),
        ] {
            let mut statement = connection.prepare(&format!("explain query plan {sql}")).unwrap();
            let parameters = rusqlite::params_from_iter(vec![0; statement.parameter_count()]);
            let plan: Vec<String> = statement
                .query_map(parameters, |row| row.get("detail"))
                .unwrap()
                .map(Result::unwrap)
                .collect();
            let plan = plan.join("; ");
            assert!(plan.contains(index), "{sql}: {plan}");
        }
    }
}
