//! Decoding of rows. An error names the table and the column.

use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row};
use serde::de::DeserializeOwned;

use crate::error::{SqlError, SqlResult};

use domain::id::{
    AccountId, AuditEntryId, BatchId, ContactId, KeyId, MediaId, MessageId, OwnerId, ReplayId, RequestId,
    TemplateId, UserId, WebhookId, WorkerId, WorkspaceId,
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

    /// Reads the text of an enumeration, or another text that is parsed.
    pub(crate) fn parsed<T: FromStr>(&mut self) -> SqlResult<T> {
        let text: String = self.get()?;
        text.parse().map_err(|_| self.corrupt(text))
    }

    pub(crate) fn opt_parsed<T: FromStr>(&mut self) -> SqlResult<Option<T>> {
        let text: Option<String> = self.get()?;
        text.map(|text| text.parse().map_err(|_| self.corrupt(text))).transpose()
    }

    pub(crate) fn opt_json<T: DeserializeOwned>(&mut self) -> SqlResult<Option<T>> {
        let Some(text) = self.get::<Option<String>>()? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| self.corrupt("JSON of another form".to_owned()))
    }

    pub(crate) fn json<T: DeserializeOwned>(&mut self) -> SqlResult<T> {
        self.opt_json()?.ok_or_else(|| self.corrupt("null".to_owned()))
    }

    /// Reads an identifier that may be null.
    pub(crate) fn opt_id<T: Id>(&mut self) -> SqlResult<Option<T>> {
        Ok(self.get::<Option<[u8; 16]>>()?.map(T::from_bytes))
    }

    /// Reads a size in bytes that may be null.
    pub(crate) fn opt_size(&mut self) -> SqlResult<Option<u64>> {
        let Some(size) = self.get::<Option<i64>>()? else { return Ok(None) };
        u64::try_from(size).map(Some).map_err(|_| self.corrupt(size.to_string()))
    }

    /// Reads a JSON array of texts that are parsed.
    pub(crate) fn parsed_list<T: FromStr>(&mut self) -> SqlResult<Vec<T>> {
        let texts: Vec<String> = self.json()?;
        texts.into_iter().map(|text| text.parse().map_err(|_| self.corrupt(text))).collect()
    }

    /// Reads a time and a text that is parsed from two columns; `None` if one of them is null.
    pub(crate) fn opt_at_and_parsed<T: FromStr>(&mut self) -> SqlResult<Option<(Timestamp, T)>> {
        let at = self.opt_at()?;
        Ok(at.zip(self.opt_parsed()?))
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

ids! { AccountId AuditEntryId BatchId ContactId KeyId MediaId MessageId OwnerId ReplayId RequestId TemplateId UserId WebhookId WorkerId WorkspaceId }

/// Converts a time to a column value.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Converts a value to JSON text.
pub(crate) fn json<T: serde::Serialize>(value: &T) -> SqlResult<String> {
    serde_json::to_string(value).map_err(|_| SqlError::Bug("a value cannot be written as JSON"))
}

/// Row of one query.
pub(crate) trait SelectRow: Sized {
    /// Text after `from`; begins with the name of the table.
    const FROM: &str;

    /// Text of the query.
    const SELECT: &str;

    fn read(cells: &mut Cells<'_>) -> SqlResult<Self>;

    /// Reads the first row.
    fn find(connection: &Connection, parameters: impl Params) -> SqlResult<Option<Self>> {
        let mut statement = connection.prepare_cached(Self::SELECT)?;
        let mut rows = statement.query(parameters)?;
        rows.next()?.map(|row| Self::read(&mut Cells::new(first_word(Self::FROM), row))).transpose()
    }

    /// Reads all rows.
    fn list(connection: &Connection, parameters: impl Params) -> SqlResult<Vec<Self>> {
        let mut statement = connection.prepare_cached(Self::SELECT)?;
        let mut rows = statement.query(parameters)?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            list.push(Self::read(&mut Cells::new(first_word(Self::FROM), row))?);
        }
        Ok(list)
    }
}

fn first_word(text: &'static str) -> &'static str {
    text.split_whitespace().next().unwrap_or(text)
}

/// Declares the select list of a type and the function that reads the type, in one list.
///
/// Each line names a field, the method of [`Cells`] that reads the field, and its column or expression: the select
/// list and the reading function cannot differ. Arguments of the function become fields as they are.
macro_rules! columns {
    ($vis:vis $list:ident, $read:ident $(($($arg:ident: $arg_type:ty),+))? -> $type:ident {
        $first:ident: $first_method:ident $first_column:literal
        $(, $field:ident: $method:ident $column:literal)* $(,)?
    }) => {
        $vis const $list: &str = concat!($first_column $(, ", ", $column)*);

        $vis fn $read(
            cells: &mut $crate::row::Cells<'_>
            $($(, $arg: $arg_type)+)?
        ) -> $crate::error::SqlResult<$type> {
            Ok($type { $($($arg,)+)? $first: cells.$first_method()? $(, $field: cells.$method()?)* })
        }
    };
}

/// Declares a row: a struct, its select list and the function that reads the row, in one list.
///
/// With `from`, the row belongs to one query and implements [`SelectRow`].
macro_rules! row {
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $(#[$first_meta:meta])* $first:ident: $first_type:ty = $first_method:ident $first_column:literal
        $(, $(#[$field_meta:meta])* $field:ident: $type:ty = $method:ident $column:literal)* $(,)?
    }) => {
        $(#[$meta])*
        $vis struct $name {
            $(#[$first_meta])* $vis $first: $first_type
            $(, $(#[$field_meta])* $vis $field: $type)*
        }

        impl $name {
            $vis const COLUMNS: &str = concat!($first_column $(, ", ", $column)*);

            $vis fn read(cells: &mut $crate::row::Cells<'_>) -> $crate::error::SqlResult<Self> {
                Ok(Self { $first: cells.$first_method()? $(, $field: cells.$method()?)* })
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis struct $name:ident {
        $(#[$first_meta:meta])* $first:ident: $first_type:ty = $first_method:ident $first_column:literal
        $(, $(#[$field_meta:meta])* $field:ident: $type:ty = $method:ident $column:literal)* $(,)?
    } from $from:literal) => {
        $(#[$meta])*
        $vis struct $name {
            $(#[$first_meta])* $vis $first: $first_type
            $(, $(#[$field_meta])* $vis $field: $type)*
        }

        impl $crate::row::SelectRow for $name {
            const FROM: &str = $from;

            const SELECT: &str = concat!("select ", $first_column $(, ", ", $column)*, " from ", $from);

            fn read(cells: &mut $crate::row::Cells<'_>) -> $crate::error::SqlResult<Self> {
                Ok(Self { $first: cells.$first_method()? $(, $field: cells.$method()?)* })
            }
        }
    };
}

pub(crate) use {columns, row};
