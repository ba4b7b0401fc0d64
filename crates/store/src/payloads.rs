//! Bytes of webhook payloads: rows of other tables point to them.

use std::collections::BTreeMap;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension};

use crate::error::SqlResult;
use crate::row::Cells;

/// Where bytes stand: the first one and how many.
pub(crate) type ByteRange = (usize, usize);

/// Puts `{}` and blanks in the place of an element.
pub(crate) fn redact_range(body: &mut [u8], (start, length): ByteRange) {
    let Some(bytes) = start.checked_add(length).and_then(|end| body.get_mut(start..end)) else { return };
    bytes.fill(b' ');
    if let Some(object) = bytes.first_chunk_mut() {
        *object = *b"{}";
    }
}

/// Where bytes stand, from three columns.
pub(crate) fn read_span(cells: &mut Cells<'_>) -> SqlResult<Option<(i64, ByteRange)>> {
    let post: Option<i64> = cells.get()?;
    let start: Option<u32> = cells.get()?;
    let length: Option<u32> = cells.get()?;
    Ok(post.zip(start.zip(length)).map(|(post, (start, length))| (post, (to_usize(start), to_usize(length)))))
}

/// A place in a body, as the rows have it.
pub(crate) fn to_usize(place: u32) -> usize {
    usize::try_from(place).unwrap_or(usize::MAX)
}

/// Bytes of posts that are to be blanked, by post.
#[derive(Default)]
pub(crate) struct Redactions(BTreeMap<i64, Vec<ByteRange>>);

impl Redactions {
    pub(crate) fn add(&mut self, raw: Option<(i64, ByteRange)>) {
        if let Some((post, span)) = raw {
            self.0.entry(post).or_default().push(span);
        }
    }

    pub(crate) fn apply(self, connection: &Connection) -> SqlResult<()> {
        for (post, spans) in self.0 {
            redact_spans(connection, post, &spans)?;
        }
        Ok(())
    }
}

/// Blanks bytes of one post.
pub(crate) fn redact_spans(connection: &Connection, post: i64, spans: &[ByteRange]) -> SqlResult<()> {
    let body: Option<Vec<u8>> = connection
        .prepare_cached("select body from webhook_payloads where seq = ?1")?
        .query_row([post], |row| row.get(0))
        .optional()?;
    let Some(mut body) = body else { return Ok(()) };
    for span in spans {
        redact_range(&mut body, *span);
    }
    update_body(connection, post, &body)
}

pub(crate) fn update_body(connection: &Connection, post: i64, body: &[u8]) -> SqlResult<()> {
    connection
        .prepare_cached("update webhook_payloads set body = ?2 where seq = ?1")?
        .execute((post, body))?;
    Ok(())
}

pub(crate) fn get_bytes(
    connection: &Connection,
    post: i64,
    start: i64,
    length: i64,
) -> SqlResult<Option<Bytes>> {
    let mut statement =
        connection.prepare_cached("select substr(body, ?2 + 1, ?3) from webhook_payloads where seq = ?1")?;
    let found: Option<Vec<u8>> = statement.query_row((post, start, length), |row| row.get(0)).optional()?;
    Ok(found.map(Bytes::from))
}

/// Where the bytes of a part stand: post, first byte, number of bytes.
pub(crate) type PayloadSpan = (i64, u32, u32);
