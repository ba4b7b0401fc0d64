//! Re-encryption: values that are sealed with the old secret key are sealed with the present key.
//!
//! **Invariant:** a value is replaced only by the same secret, and only if the value has not changed in the meantime.

use std::path::Path;

use domain::id::AccountId;
use engine::ports::{StoreError, StoreErrorKind};
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::{SqlError, SqlResult};
use crate::maintenance::workers;
use crate::maintenance::workers::ENDED_AFTER;
use crate::row::micros;
use crate::seal::{SealedWith, Sealer};
use crate::sqlite::connection;

/// Column with sealed values. The context of a sealed value is `<table>/<id>/<column>`.
#[derive(Clone, Copy)]
pub(crate) struct SealedColumn {
    table: &'static str,
    column: &'static str,
}

/// All columns with sealed values.
///
/// New sealed column (1 of 1): add it here. A test lists every column of bytes.
pub(crate) const SEALED: [SealedColumn; 7] = [
    SealedColumn { table: "accounts", column: "access_token" },
    SealedColumn { table: "accounts", column: "app_secret" },
    SealedColumn { table: "accounts", column: "old_app_secret" },
    SealedColumn { table: "idempotent_requests", column: "sealed_body" },
    SealedColumn { table: "webhook_endpoints", column: "headers" },
    SealedColumn { table: "webhook_endpoints", column: "secret" },
    SealedColumn { table: "webhook_endpoints", column: "old_secret" },
];

/// Number of rows in one transaction.
const STEP: u32 = 50;

/// Number of sealed values by key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealedValueCounts {
    /// Sealed with the present key.
    pub present: u32,
    /// Sealed with the old key.
    pub old: u32,
    /// Sealed with an unknown key, or damaged.
    pub other: u32,
}

/// Result of a re-encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReencryptResult {
    /// Running processes encrypt with another key: nothing was changed.
    OtherKeyInUse {
        /// Number of these processes.
        n_processes: u32,
    },
    /// Every value that can be opened is sealed with the present key.
    Done {
        /// Number of re-encrypted values.
        n_reencrypted: u32,
        /// Number of sealed values by key, after the re-encryption.
        count: SealedValueCounts,
    },
}

/// Seals the values of the old key with the present key, a few rows at a time.
///
/// # Errors
/// Fails if the database cannot be read or written. Completed rows stay; the function can be called again.
pub fn reencrypt(path: &Path, sealer: &Sealer, now: Timestamp) -> Result<ReencryptResult, StoreError> {
    let opening = |error: rusqlite::Error| {
        StoreError::new(StoreErrorKind::Unavailable, "opening the database for re-encryption", error)
    };
    let mut connection = connection::connect(path).map_err(opening)?;
    run(&mut connection, sealer, now).map_err(|error| error.while_doing("re-encrypting secrets"))
}

fn run(connection: &mut Connection, sealer: &Sealer, now: Timestamp) -> SqlResult<ReencryptResult> {
    let n_processes = count_other_key_processes(connection, sealer, now)?;
    if n_processes > 0 {
        return Ok(ReencryptResult::OtherKeyInUse { n_processes });
    }
    let mut n_reencrypted = 0;
    for sealed in SEALED {
        let mut after = 0;
        loop {
            let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let (n, next) = step(&tx, sealer, sealed, after)?;
            tx.commit()?;
            n_reencrypted += n;
            match next {
                Some(next) => after = next,
                None => break,
            }
        }
    }
    Ok(ReencryptResult::Done { n_reencrypted, count: count(connection, sealer)? })
}

/// Returns the number of running processes that seal with another key: they could not open the re-encrypted values.
fn count_other_key_processes(connection: &Connection, sealer: &Sealer, now: Timestamp) -> SqlResult<u32> {
    if workers::count_alive(connection, now)? == 0 {
        return Ok(0);
    }
    let since = now.saturating_sub(ENDED_AFTER).unwrap_or(Timestamp::MIN);
    Ok(connection.query_row(
        "select count(*) from workers where heartbeat_at >= ?1 and secret_key_id <> ?2",
        (micros(since), sealer.key_id()),
        |row| row.get(0),
    )?)
}

/// Sealed value with its row and context.
struct SealedValue {
    seq: i64,
    context: String,
    value: Vec<u8>,
}

fn list_sealed(
    connection: &Connection,
    SealedColumn { table, column }: SealedColumn,
    after: i64,
    limit: u32,
) -> SqlResult<Vec<SealedValue>> {
    let sql = format!(
        "select seq, id, {column} as value from {table}
         where {column} is not null and seq > ?1 order by seq limit ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map((after, limit), |row| {
        // All identifiers have the same text form.
        let id = AccountId::from_bytes(row.get("id")?);
        Ok(SealedValue {
            seq: row.get("seq")?,
            context: format!("{table}/{id}/{column}"),
            value: row.get("value")?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn step(
    connection: &Connection,
    sealer: &Sealer,
    sealed: SealedColumn,
    after: i64,
) -> SqlResult<(u32, Option<i64>)> {
    let rows = list_sealed(connection, sealed, after, STEP)?;
    let SealedColumn { table, column } = sealed;
    let sql = format!("update {table} set {column} = ?2 where seq = ?1 and {column} = ?3");
    let mut n_reencrypted = 0;
    for row in &rows {
        if sealer.sealed_with(&row.value) != SealedWith::Old {
            continue;
        }
        // A damaged value stays unchanged and is counted.
        let Ok(secret) = sealer.open(&row.context, &row.value) else { continue };
        let reencrypted = sealer.seal(&row.context, &secret)?;
        let n_rows = connection.prepare_cached(&sql)?.execute((row.seq, reencrypted, &row.value))?;
        n_reencrypted += u32::try_from(n_rows).unwrap_or_default();
    }
    let is_full = rows.len() >= usize::try_from(STEP).unwrap_or(usize::MAX);
    Ok((n_reencrypted, rows.last().map(|row| row.seq).filter(|_| is_full)))
}

/// Opens and counts all sealed values.
pub(crate) fn count(connection: &Connection, sealer: &Sealer) -> rusqlite::Result<SealedValueCounts> {
    let mut count = SealedValueCounts::default();
    for sealed in SEALED {
        let has_table: bool = connection.query_row(
            "select exists (select 1 from pragma_table_info(?1) where name = ?2)",
            (sealed.table, sealed.column),
            |row| row.get(0),
        )?;
        if !has_table {
            continue;
        }
        let rows = match list_sealed(connection, sealed, 0, u32::MAX) {
            Ok(rows) => rows,
            Err(SqlError::Sqlite(error)) => return Err(error),
            Err(_) => continue,
        };
        for row in rows {
            let opens = sealer.open(&row.context, &row.value).is_ok();
            match (opens, sealer.sealed_with(&row.value)) {
                (true, SealedWith::Present) => count.present += 1,
                (true, SealedWith::Old) => count.old += 1,
                (true | false, _) => count.other += 1,
            }
        }
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::sqlite::migrate;

    /// Columns of bytes without secrets, apart from identifiers.
    const NOT_SEALED: [&str; 18] = [
        "accounts.verify_token_digest",
        "api_keys.digest",
        "contact_search_data.block",
        "deliveries.queue_key",
        "idempotency_records.body",
        "idempotency_records.digest",
        "idempotent_requests.body",
        "idempotent_requests.digest",
        "delivery_queues.queue_key",
        "media.sha256",
        "message_search_data.block",
        "media_uploads.sha256",
        "webhook_changes.digest",
        "webhook_payloads.body",
        "webhook_payloads.digest",
        "webhook_payloads.signature",
        "webhook_payloads.signer_ids",
        "messaging_limit_recipients.reserved_by",
    ];

    #[test]
    fn every_column_of_bytes_is_listed_as_sealed_or_not_sealed() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate::run(&mut connection, Timestamp::UNIX_EPOCH).unwrap();
        let sql = "select t.name || '.' || c.name from sqlite_schema t join pragma_table_info(t.name) c
                   where t.type = 'table' and lower(c.type) = 'blob'";
        let mut statement = connection.prepare(sql).unwrap();
        let columns: BTreeSet<String> =
            statement.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        let is_id =
            |name: &str| name.ends_with(".id") || name.ends_with("_id") || name.ends_with(".replaced_by");
        let sealed: BTreeSet<String> =
            SEALED.iter().map(|sealed| format!("{}.{}", sealed.table, sealed.column)).collect();
        let known = |name: &String| {
            is_id(name)
                || sealed.contains(name)
                || NOT_SEALED.contains(&name.as_str())
                || matches!(name.as_str(), "sessions.digest" | "schema_migrations.checksum")
        };
        let unknown: Vec<_> = columns.iter().filter(|name| !known(name)).collect();
        assert!(
            unknown.is_empty(),
            "add these columns to SEALED, or to NOT_SEALED if they contain no secrets: {unknown:?}"
        );
        assert!(sealed.is_subset(&columns), "{columns:?}");
    }
}
