//! Errors inside the store, and their conversion to the port's error.

use engine::ports::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

use crate::seal::SealError;

/// Error of a database operation.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    /// Error from SQLite.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A column with an invalid value.
    #[error("{table}.{column} has the invalid value {value}")]
    Corrupt { table: &'static str, column: String, value: String },
    /// A violated assumption of the program.
    #[error("{0}")]
    Bug(&'static str),
    /// Another row has a value that must be unique.
    #[error("{0}")]
    Conflict(&'static str),
    /// A sealed value cannot be opened.
    #[error(transparent)]
    Seal(#[from] SealError),
}

pub(crate) type SqlResult<T> = Result<T, SqlError>;

impl SqlError {
    fn kind(&self) -> StoreErrorKind {
        match self {
            Self::Sqlite(error) => sqlite_kind(error),
            Self::Corrupt { .. } | Self::Seal(_) => StoreErrorKind::Corrupt,
            Self::Bug(_) => StoreErrorKind::Bug,
            Self::Conflict(_) => StoreErrorKind::Conflict,
        }
    }

    /// Converts the error to the port's error, with the operation that failed.
    pub(crate) fn while_doing(self, doing: &'static str) -> StoreError {
        StoreError::new(self.kind(), doing, self)
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "SQLite's codes are many, foreign and non-exhaustive")]
fn sqlite_kind(error: &rusqlite::Error) -> StoreErrorKind {
    match error.sqlite_error_code() {
        Some(
            ErrorCode::DiskFull
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::ReadOnly
            | ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::OutOfMemory
            | ErrorCode::PermissionDenied,
        ) => StoreErrorKind::Unavailable,
        // Only the budget of a read of a list interrupts a statement.
        Some(ErrorCode::OperationInterrupted) => StoreErrorKind::TooExpensive,
        Some(ErrorCode::ConstraintViolation) => StoreErrorKind::Conflict,
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreErrorKind::Corrupt,
        Some(_) => StoreErrorKind::Bug,
        None => match error {
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => StoreErrorKind::Corrupt,
            _ => StoreErrorKind::Bug,
        },
    }
}

/// Returns the error of a store whose writer thread has ended.
pub(crate) fn shut_down(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, doing, "the store is shut down")
}
