//! Erasing people: what they are known by, what was written to them and by them.
//!
//! The contact is gone in the first transaction, with everything that could bring it back or still be sent. The rest
//! follows step by step; a row in `erasures` says how far it is, so that a crash costs nothing but time.
//!
//! What stays are counts: a message's type, times and status. Meta's id of a message holds the number, so its SHA-256
//! takes its place: by that, a report that comes later is recognised and dropped.
//!
//! **Invariant:** what is another person's stays, also where both are in one post.

pub(crate) mod begin;
mod identifiers;
pub(crate) mod messages;
pub(crate) mod progress;
pub(crate) mod tables;

use engine::ports::ErasureStep;
use jiff::Timestamp;
use rusqlite::Connection;

use crate::error::{SqlError, SqlResult};
use crate::maintenance::erasure;
use crate::maintenance::erasure::tables::PAYLOADS_PER_STEP;

/// Takes the oldest erasure a step further.
pub(crate) fn run_step(connection: &Connection, limit: u32, now: Timestamp) -> SqlResult<ErasureStep> {
    let Some(erasure) = progress::get_oldest(connection)? else { return Ok(ErasureStep::Idle) };
    let [last_post, last_event, last_delivery, last_message] = erasure.last;
    // Where the next step of this kind begins; `None`: this kind is done.
    let (reached, following) = match erasure.step.as_str() {
        "messages" => (erasure::messages::erase_next(connection, &erasure, limit, now)?, "payloads"),
        "payloads" => {
            (tables::erase_payloads(connection, &erasure, last_post, limit.min(PAYLOADS_PER_STEP))?, "events")
        }
        "events" => (tables::erase_events(connection, &erasure, (last_event, limit), now)?, "deliveries"),
        "deliveries" => (tables::erase_deliveries(connection, &erasure, last_delivery, limit)?, "contexts"),
        "contexts" => (erasure::messages::erase_contexts(connection, &erasure, last_message, limit)?, "file"),
        "file" => return Ok(ErasureStep::Files),
        _ => return Err(SqlError::Bug("an erasure is at a step that there is not")),
    };
    let (step, next) = reached.map_or((following, 0), |next| (erasure.step.as_str(), next));
    connection
        .prepare_cached(
            "update erasures set step = ?2, next_seq = ?3, identifiers = case ?2 when 'file' then '[]' else identifiers end,
                 former_identifiers = case ?2 when 'file' then '{}' else former_identifiers end
             where contact_id = ?1",
        )?
        .execute((erasure.contact.as_bytes(), step, next))?;
    Ok(ErasureStep::More)
}

/// Ends the erasures of which nothing is left in the files.
pub(crate) fn finish_erasures(connection: &Connection) -> SqlResult<()> {
    connection.prepare_cached("delete from erasures where step = 'file'")?.execute(())?;
    Ok(())
}
