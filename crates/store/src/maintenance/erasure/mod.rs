//! Erasure of contacts: identifiers, and the content of messages from and to the contact.
//!
//! The first transaction deletes the contact and everything that could recreate it or still be sent. The other rows
//! follow in steps. A row in `erasures` stores the progress: an interrupted erasure continues.
//!
//! Types, times and statuses of the messages stay for statistics. A wamid contains the number, so its SHA-256
//! replaces it: a report that is received later is recognized by the hash and dropped.
//!
//! **Invariant:** data of other people stays, also if one payload holds data of both.

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
use crate::maintenance::erasure;
use crate::maintenance::erasure::tables::PAYLOADS_PER_STEP;
use crate::sqlite::SqliteStore;
use crate::sqlite::connection::BUSY_TIMEOUT;

/// Runs the next step of the oldest erasure.
pub(crate) fn run_step(connection: &Connection, limit: u32, now: Timestamp) -> SqlResult<ErasureStep> {
    let Some(erasure) = progress::get_oldest(connection)? else { return Ok(ErasureStep::Idle) };
    // `reached` is the start of the next step of this kind; `None` if this kind is complete.
    let (reached, following) = match erasure.step.as_str() {
        "messages" => (erasure::messages::erase_next(connection, &erasure, limit, now)?, "payloads"),
        "payloads" => (
            tables::erase_payloads(connection, &erasure, erasure.last_payload, limit.min(PAYLOADS_PER_STEP))?,
            "events",
        ),
        "events" => {
            (tables::erase_events(connection, &erasure, (erasure.last_event, limit), now)?, "deliveries")
        }
        "deliveries" => {
            (tables::erase_deliveries(connection, &erasure, erasure.last_delivery, limit)?, "contexts")
        }
        "contexts" => {
            (erasure::messages::erase_contexts(connection, &erasure, erasure.last_message, limit)?, "file")
        }
        "file" => return Ok(ErasureStep::FilesRemain),
        _ => return Err(SqlError::Bug("an erasure has an unknown step")),
    };
    let (step, next) = reached.map_or((following, 0), |next| (erasure.step.as_str(), next));
    connection
        .prepare_cached(
            "update erasures set step = ?2, next_seq = ?3, identifiers = case ?2 when 'file' then '[]' else identifiers end,
                 former_identifiers = case ?2 when 'file' then '{}' else former_identifiers end
             where contact_id = ?1",
        )?
        .execute((erasure.contact.as_bytes(), step, next))?;
    Ok(ErasureStep::RowsRemain)
}

/// Deletes the erasures that are complete, after the database file has no old pages of them.
pub(crate) fn finish_erasures(connection: &Connection) -> SqlResult<()> {
    connection.prepare_cached("delete from erasures where step = 'file'")?.execute(())?;
    Ok(())
}

/// Removes erased data from the files of the store, and completes the erasures that have come so far. Returns `false`
/// if a reader prevents this.
pub(crate) async fn finish_erasures_in_store(store: &SqliteStore) -> Result<bool, StoreError> {
    let is_clean = store.alone("emptying the write-ahead log", empty_log).await?;
    if is_clean {
        store.write("completing erasures", finish_erasures).await?;
    }
    Ok(is_clean)
}

/// How long those may take who were reading when the log was to be emptied: writes wait as long.
const READERS_END_WITHIN: Duration = Duration::from_millis(250);

/// Writes the log into the database and empties it. `false`: a reader still looks at what is in it.
fn empty_log(connection: &Connection) -> SqlResult<bool> {
    // Who begins to read once all is in the database does not look at the log; who is slower than this is not waited for.
    connection.busy_timeout(READERS_END_WITHIN)?;
    let end = connection.query_row("pragma wal_checkpoint(truncate)", (), |row| row.get::<_, i64>(0));
    connection.busy_timeout(BUSY_TIMEOUT)?;
    Ok(end? == 0)
}
