//! Decoding of rows. An error names the table and the column.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::Row;
use rusqlite::types::FromSql;
use serde::de::DeserializeOwned;

use crate::error::{SqlError, SqlResult};

use domain::id::{
    AccountId, AuditEntryId, ContactId, KeyId, MediaId, MessageId, OwnerId, ReplayId, TemplateId, UserId,
    WebhookId, WorkspaceId,
};

/// Columns of a row, in the order of the select list.
pub(crate) struct Cells<'a> {
    pub(crate) table: &'static str,
    pub(crate) row: &'a Row<'a>,
    pub(crate) next: usize,
}

impl<'a> Cells<'a> {
    pub(crate) fn new(table: &'static str, row: &'a Row<'a>) -> Self {
        Self { table, row, next: 0 }
    }

    /// Reads the next column.
    pub(crate) fn get<T: FromSql>(&mut self) -> SqlResult<T> {
        let value = self.row.get(self.next)?;
        self.next += 1;
        Ok(value)
    }

    pub(crate) fn id<T: Id>(&mut self) -> SqlResult<T> {
        self.get::<[u8; 16]>().map(T::from_bytes)
    }

    pub(crate) fn at(&mut self) -> SqlResult<Timestamp> {
        let micros = self.get()?;
        self.time(micros)
    }

    pub(crate) fn opt_at(&mut self) -> SqlResult<Option<Timestamp>> {
        let micros: Option<i64> = self.get()?;
        micros.map(|micros| self.time(micros)).transpose()
    }

    pub(crate) fn flag(&mut self) -> SqlResult<bool> {
        self.get()
    }

    /// Reads the text of an enumeration.
    pub(crate) fn word<T: FromStr>(&mut self) -> SqlResult<T> {
        let text: String = self.get()?;
        text.parse().map_err(|_| self.corrupt(text))
    }

    pub(crate) fn opt_word<T: FromStr>(&mut self) -> SqlResult<Option<T>> {
        let text: Option<String> = self.get()?;
        text.map(|text| text.parse().map_err(|_| self.corrupt(text))).transpose()
    }

    pub(crate) fn opt_json<T: DeserializeOwned>(&mut self) -> SqlResult<Option<T>> {
        let Some(text) = self.get::<Option<String>>()? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| self.corrupt("JSON with other members".to_owned()))
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> SqlResult<T> {
        self.opt_json()?.ok_or_else(|| self.corrupt("null".to_owned()))
    }

    fn time(&self, micros: i64) -> SqlResult<Timestamp> {
        Timestamp::from_microsecond(micros).map_err(|_| self.corrupt(micros.to_string()))
    }

    /// Returns the error for the value of the column that was read last.
    pub(crate) fn corrupt(&self, value: String) -> SqlError {
        let column = self.next.checked_sub(1).and_then(|i| self.row.as_ref().column_name(i).ok());
        SqlError::Corrupt { table: self.table, column: column.unwrap_or("?").to_owned(), value }
    }
}

/// Identifier that is stored as 16 bytes.
pub(crate) trait Id {
    fn from_bytes(bytes: [u8; 16]) -> Self;
}

macro_rules! ids {
    ($($name:ident)*) => {$(
        impl Id for $name {
            fn from_bytes(bytes: [u8; 16]) -> Self {
                Self::from_bytes(bytes)
            }
        }
    )*};
}

ids! { AccountId AuditEntryId ContactId KeyId MediaId MessageId OwnerId ReplayId TemplateId UserId WebhookId WorkspaceId }

/// Converts a time to a column value.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Converts a value to JSON text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> SqlResult<String> {
    serde_json::to_string(value).map_err(|_| SqlError::Bug("a value cannot be written as JSON"))
}

/// Reads a JSON array of enumeration texts or identifiers.
pub(crate) fn words<T: std::str::FromStr>(cells: &mut Cells<'_>) -> SqlResult<Vec<T>> {
    let words: Vec<String> = cells.json()?;
    words.into_iter().map(|word| word.parse().map_err(|_| cells.corrupt(word))).collect()
}
