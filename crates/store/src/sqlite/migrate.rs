//! Migrations: numbered files, applied in order and once, in one transaction under the write lock. There are no down
//! migrations.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

use crate::row::micros;
use crate::sqlite::connection;

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> [u8; 32] {
        Sha256::digest(self.sql).into()
    }
}

macro_rules! migrations {
    ($($version:literal $file:literal $name:literal)*) => {
        &[$(Migration {
            version: $version,
            name: $name,
            sql: include_str!(concat!("../../sql/migrations/sqlite/", $file, ".sql")),
        }),*]
    };
}

/// All migrations, in order. A released migration is final: a later migration corrects it.
const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_initial" "initial"
    2 "0002_delivery_ordering" "delivery_ordering"
    3 "0003_contact_usernames" "contact_usernames"
    4 "0004_message_search" "message_search"
    5 "0005_access" "access"
    6 "0006_numbers_by_kind" "numbers_by_kind"
};

/// Error of a migration.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// A statement of a migration failed.
    #[error("migrating the database to version {version} failed")]
    Failed {
        /// Version of the migration that failed.
        version: i64,
        /// Error from SQLite.
        source: rusqlite::Error,
    },
    /// The schema of the database is newer than this program.
    #[error(
        "the database has schema version {found}; this program supports versions up to {known}: use a newer waypost"
    )]
    Newer {
        /// Schema version of the database.
        found: i64,
        /// Newest schema version that this program supports.
        known: i64,
    },
    /// The database was created by a development version, before the first release.
    #[error(
        "the database was created by a development version of waypost, before the first release; its schema cannot be \
         upgraded: start with a new database file"
    )]
    Unreleased,
    /// The checksum of an applied migration differs from the checksum of this program's migration.
    #[error("migration {version} of the database differs from migration {version} of this program")]
    Edited {
        /// Version of the migration.
        version: i64,
    },
}

/// Schema version of a database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// Version of the last applied migration; 0 for an empty database.
    pub applied: i64,
    /// Version of the last migration of this program.
    pub known: i64,
}

/// Returns the schema version of the database file. A missing file has version 0 and is not created.
///
/// # Errors
/// Fails if the file cannot be read, or its schema is not one of this program.
pub fn migration_state(path: &Path) -> Result<MigrationState, OpenError> {
    if !path.exists() {
        return Ok(MigrationState { applied: 0, known: known() });
    }
    let failed = |source| OpenError::Open { path: path.to_owned(), source };
    let connection = connection::connect(path).map_err(failed)?;
    check_first(&connection)?;
    Ok(MigrationState { applied: applied(&connection).map_err(failed)?, known: known() })
}

/// Applies the migrations that the database file has not had yet. Creates the file if it is missing.
///
/// # Errors
/// Fails if a migration fails, or the schema of the database is not one of this program.
pub fn migrate(path: &Path, now: Timestamp) -> Result<MigrationState, OpenError> {
    let failed = |source| OpenError::Open { path: path.to_owned(), source };
    let mut connection = connection::connect(path).map_err(failed)?;
    let before = applied(&connection).map_err(failed)?;
    run(&mut connection, now)?;
    Ok(MigrationState { applied: before, known: known() })
}

pub(crate) fn run(connection: &mut Connection, now: Timestamp) -> Result<(), MigrateError> {
    let failed = |version| move |source| MigrateError::Failed { version, source };
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed(0))?;
    tx.execute_batch(
        "create table if not exists schema_migrations (
            version integer not null primary key,
            name text not null,
            checksum blob not null,
            applied_at integer not null
        ) strict",
    )
    .map_err(failed(0))?;
    check_first(&tx)?;
    let found = applied(&tx).map_err(failed(0))?;
    if found > known() {
        return Err(MigrateError::Newer { found, known: known() });
    }
    for migration in MIGRATIONS {
        let failed = failed(migration.version);
        if migration.version <= found {
            if applied_checksum(&tx, migration.version).map_err(failed)? != Some(migration.checksum()) {
                return Err(MigrateError::Edited { version: migration.version });
            }
            continue;
        }
        tx.execute_batch(migration.sql).map_err(failed)?;
        tx.execute(
            "insert into schema_migrations (version, name, checksum, applied_at) values (?1, ?2, ?3, ?4)",
            (migration.version, migration.name, migration.checksum(), micros(now)),
        )
        .map_err(failed)?;
    }
    tx.commit().map_err(failed(known()))
}

/// Rejects a database whose first migration is not the first migration of this program: development versions had other
/// migrations under the same numbers.
pub(crate) fn check_first(connection: &Connection) -> Result<(), MigrateError> {
    let failed = |source| MigrateError::Failed { version: 0, source };
    if applied(connection).map_err(failed)? == 0 {
        return Ok(());
    }
    let first = MIGRATIONS.first().map(Migration::checksum);
    let found = applied_checksum(connection, 1).map_err(failed)?;
    if found == first { Ok(()) } else { Err(MigrateError::Unreleased) }
}

fn applied_checksum(connection: &Connection, version: i64) -> rusqlite::Result<Option<[u8; 32]>> {
    connection
        .query_row("select checksum from schema_migrations where version = ?1", [version], |row| row.get(0))
        .optional()
}

pub(crate) fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

/// Returns the version of the last applied migration; 0 for an empty database.
pub(crate) fn applied(connection: &Connection) -> rusqlite::Result<i64> {
    let has_table: bool = connection.query_row(
        "select exists (select 1 from sqlite_schema where type = 'table' and name = 'schema_migrations')",
        (),
        |row| row.get(0),
    )?;
    if !has_table {
        return Ok(0);
    }
    connection.query_row("select coalesce(max(version), 0) from schema_migrations", (), |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_folder_is_a_migration_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql/migrations/sqlite");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        files.sort();
        let known: Vec<_> = MIGRATIONS
            .iter()
            .map(|migration| format!("{:04}_{}.sql", migration.version, migration.name))
            .collect();
        assert_eq!(files, known);
    }

    #[test]
    fn a_database_with_an_edited_migration_is_rejected() {
        let mut connection = Connection::open_in_memory().expect("a database");
        run(&mut connection, Timestamp::UNIX_EPOCH).expect("migrated");
        run(&mut connection, Timestamp::UNIX_EPOCH).expect("nothing left to apply");
        connection
            .execute("update schema_migrations set checksum = x'00' where version = 1", ())
            .expect("edited");
        let error = run(&mut connection, Timestamp::UNIX_EPOCH).expect_err("rejected");
        assert!(matches!(error, MigrateError::Failed { .. } | MigrateError::Unreleased), "{error}");
    }
}

/// Error of opening a database.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// SQLite cannot open the file.
    #[error("opening the database {path} failed", path = path.display())]
    Open {
        /// Path of the file.
        path: PathBuf,
        /// Error from SQLite.
        source: rusqlite::Error,
    },
    /// A migration failed, or the schema is not one of this program.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The writer thread cannot be started.
    #[error("starting the writer thread failed")]
    Thread(#[source] std::io::Error),
}
