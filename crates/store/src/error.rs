//! Errors inside the store, before they become the port's.

use engine::ports::{StoreError, StoreErrorKind};
use rusqlite::ErrorCode;

use crate::seal::SealError;

/// What a closure on a connection can end with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SqlError {
    /// SQLite said no.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// A row that cannot be read.
    #[error("{table}.{column} holds {value}")]
    Corrupt { table: &'static str, column: String, value: String },
    /// Something that cannot be.
    #[error("{0}")]
    Bug(&'static str),
    /// The rows cannot be opened with the keys at hand.
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
        }
    }

    /// The port's error for it.
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
            | ErrorCode::PermissionDenied
            | ErrorCode::OperationInterrupted,
        ) => StoreErrorKind::Unavailable,
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

/// The error of a store whose thread is gone.
pub(crate) fn shut_down(doing: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, doing, "the store is shut down")
}
