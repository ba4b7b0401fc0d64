//! Bytes of webhook payloads: rows of other tables point to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::row::Cells;
use crate::sqlite::execute::Execute as _;

/// Range of bytes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ByteRange {
    pub(crate) start: usize,
    pub(crate) length: usize,
}

impl ByteRange {
    /// Position after the last byte.
    pub(crate) fn end(self) -> usize {
        self.start.saturating_add(self.length)
    }
}

/// Replaces an element by `{}` and spaces.
pub(crate) fn redact_range(body: &mut [u8], range: ByteRange) {
    let Some(bytes) = body.get_mut(range.start..range.end()) else { return };
    bytes.fill(b' ');
    if let Some(object) = bytes.first_chunk_mut() {
        *object = *b"{}";
    }
}

/// Reads a payload and a range from the columns `payload_seq`, `payload_start` and `payload_length`.
pub(crate) fn read_span(cells: &mut Cells<'_>) -> SqlResult<Option<(i64, ByteRange)>> {
    Ok(span(cells.get()?, cells.get()?, cells.get()?))
}

/// Returns a payload and a range; `None` if one of the columns is null.
pub(crate) fn span(
    payload: Option<i64>,
    start: Option<u32>,
    length: Option<u32>,
) -> Option<(i64, ByteRange)> {
    payload.zip(start.zip(length)).map(|(payload, (start, length))| {
        (payload, ByteRange { start: to_usize(start), length: to_usize(length) })
    })
}

/// Converts a column value to an offset.
pub(crate) fn to_usize(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

/// Ranges to redact, by payload.
#[derive(Default)]
pub(crate) struct Redactions(BTreeMap<i64, Vec<ByteRange>>);

impl Redactions {
    pub(crate) fn add(&mut self, span: Option<(i64, ByteRange)>) {
        if let Some((payload, range)) = span {
            self.0.entry(payload).or_default().push(range);
        }
    }

    pub(crate) fn apply(self, connection: &Connection) -> SqlResult<()> {
        for (payload, ranges) in self.0 {
            redact_ranges(connection, payload, &ranges)?;
        }
        Ok(())
    }
}

/// Redacts ranges of one payload.
pub(crate) fn redact_ranges(connection: &Connection, payload: i64, ranges: &[ByteRange]) -> SqlResult<()> {
    let body: Option<Vec<u8>> = connection
        .prepare_cached("select body from webhook_payloads where seq = ?1")?
        .query_row([payload], |row| row.get(0))
        .optional()?;
    let Some(mut body) = body else { return Ok(()) };
    for range in ranges {
        redact_range(&mut body, *range);
    }
    update_body(connection, payload, &body)
}

pub(crate) fn update_body(connection: &Connection, payload: i64, body: &[u8]) -> SqlResult<()> {
    connection
        .prepare_cached("update webhook_payloads set body = ?2 where seq = ?1")?
        .execute_one((payload, body))
}

pub(crate) fn get_bytes(
    connection: &Connection,
    payload: i64,
    start: i64,
    length: i64,
) -> SqlResult<Option<Bytes>> {
    let mut statement =
        connection.prepare_cached("select substr(body, ?2 + 1, ?3) from webhook_payloads where seq = ?1")?;
    let found: Option<Vec<u8>> =
        statement.query_row((payload, start, length), |row| row.get(0)).optional()?;
    Ok(found.map(Bytes::from))
}

/// Payload, first byte and number of bytes of a change.
pub(crate) type PayloadSpan = (i64, u32, u32);
