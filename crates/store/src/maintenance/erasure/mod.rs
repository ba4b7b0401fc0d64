//! Erasure of contacts: identifiers, and the content of messages from and to the contact.
//!
//! The first transaction deletes the contact and everything that could recreate it or still be sent. The other rows
//! follow in steps. A row in `erasures` stores the progress: an interrupted erasure continues.
//!
//! Types, times and statuses of the messages stay for statistics. A wamid contains the number of the contact and is
//! replaced by its SHA-256: a report that is received later is recognized by the hash and dropped.
//!
//! **Invariant:** data of other contacts does not change, even if a payload also contains data of the erased contact.

pub(crate) mod begin;
mod identifiers;
pub(crate) mod messages;
pub(crate) mod progress;
pub(crate) mod tables;

use std::time::Duration;

use engine::ports::{ErasureStep, StoreError};
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::{SqlError, SqlResult};
use crate::maintenance::erasure::tables::PAYLOADS_PER_STEP;
use crate::sqlite::SqliteStore;
use crate::sqlite::connection::BUSY_TIMEOUT;
use crate::sqlite::execute::Execute as _;

/// Runs the next step of the oldest erasure.
pub(crate) fn run_step(connection: &Connection, limit: u32, now: Timestamp) -> SqlResult<ErasureStep> {
    let Some(erasure) = progress::get_oldest(connection)? else { return Ok(ErasureStep::Idle) };
    // `next` is the start of the next step of this kind; `None` if this kind is complete.
    let (next, following) = match erasure.step.as_str() {
        "messages" => (messages::erase_next(connection, &erasure, limit, now)?, "payloads"),
        "payloads" => (tables::erase_payloads(connection, &erasure, limit.min(PAYLOADS_PER_STEP))?, "events"),
        "events" => (tables::erase_events(connection, &erasure, limit, now)?, "deliveries"),
        "deliveries" => (tables::erase_deliveries(connection, &erasure, limit)?, "contexts"),
        "contexts" => (messages::erase_contexts(connection, &erasure, limit)?, "file"),
        "file" => return Ok(ErasureStep::FilesRemain),
        _ => return Err(SqlError::Bug("an erasure has an unknown step")),
    };
    let (step, next) = next.map_or((following, 0), |next| (erasure.step.as_str(), next));
    connection
        .prepare_cached(
            "update erasures set step = ?2, next_seq = ?3, identifiers = case ?2 when 'file' then '[]' else identifiers end,
                 former_identifiers = case ?2 when 'file' then '{}' else former_identifiers end
             where contact_id = ?1",
        )?
        .execute_one((erasure.contact.as_bytes(), step, next))?;
    Ok(ErasureStep::RowsRemain)
}

/// Deletes the erasures that are complete, after the database file has no old pages of them.
pub(crate) fn finish_erasures(connection: &Connection) -> SqlResult<()> {
    connection.prepare_cached("delete from erasures where step = 'file'")?.execute_any(())
}

/// Removes erased data from the files of the store, and completes the erasures at the step `file`. Returns `false` if a
/// reader prevents this.
pub(crate) async fn finish_erasures_in_store(store: &SqliteStore) -> Result<bool, StoreError> {
    let is_clean = store.exclusively("emptying the write-ahead log", empty_log).await?;
    if is_clean {
        store.write("completing erasures", finish_erasures).await?;
    }
    Ok(is_clean)
}

/// Maximum time for which writes wait for readers, when the write-ahead log is emptied.
const READER_TIMEOUT: Duration = Duration::from_millis(250);

/// Writes the write-ahead log into the database and empties it. Returns `false` if a reader still uses the log.
fn empty_log(connection: &Connection) -> SqlResult<bool> {
    // A reader that starts after the log was written into the database does not use the log. Readers that need longer
    // than the timeout are not waited for.
    connection.busy_timeout(READER_TIMEOUT)?;
    let result = connection.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(result? == 0)
}
