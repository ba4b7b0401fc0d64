//! Migrations: numbered files, forward only, each applied once, in its own transaction, under the write lock.

use std::path::Path;

use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};
use sha2::{Digest, Sha256};

use super::{OpenError, connect};
use crate::row::micros;

struct Migration {
    version: i64,
    name: &'static str,
    sql: &'static str,
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

/// Every migration, in order. A file that has landed is never edited: the next number mends it.
const MIGRATIONS: &[Migration] = migrations! {
    1 "0001_ground" "ground"
    2 "0002_queue" "queue"
    3 "0003_due_first" "due_first"
    4 "0004_reached" "reached"
    5 "0005_events" "events"
    6 "0006_lean_messages" "lean_messages"
    7 "0007_users" "users"
    8 "0008_media" "media"
    9 "0009_meta_news" "meta_news"
    10 "0010_messaging_limit" "messaging_limit"
    11 "0011_upkeep" "upkeep"
    12 "0012_account_health" "account_health"
    13 "0013_contacts" "contacts"
    14 "0014_plain_conditions" "plain_conditions"
    15 "0015_media_by_account" "media_by_account"
    16 "0016_account_links" "account_links"
};

/// Why a database cannot be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// SQLite said no.
    #[error("migrating the database to version {version}")]
    Failed {
        /// The migration that failed.
        version: i64,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// A newer program has written this database.
    #[error("the database has version {found}, this program knows {known}: use a newer waypost")]
    Newer {
        /// The database's version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// A migration that was applied is not the one that this program knows.
    #[error("migration {version} of this database is not the one that this program knows")]
    Edited {
        /// Its number.
        version: i64,
    },
}

/// Where a database stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// The last migration that was applied; 0 is an empty database.
    pub applied: i64,
    /// The last migration that this program knows.
    pub known: i64,
}

/// Where the database in this file stands; a file that is missing stands at 0 and is not made.
///
/// # Errors
/// When the file cannot be read.
pub fn migration_state(path: &Path) -> Result<MigrationState, OpenError> {
    if !path.exists() {
        return Ok(MigrationState { applied: 0, known: known() });
    }
    let failed = |source| OpenError::Open { path: path.to_owned(), source };
    let connection = connect(path).map_err(failed)?;
    Ok(MigrationState { applied: applied(&connection).map_err(failed)?, known: known() })
}

/// Brings the database in this file up to date, and makes it if it is missing.
///
/// # Errors
/// When a migration fails, or a newer program has written the database.
pub fn migrate(path: &Path, now: Timestamp) -> Result<MigrationState, OpenError> {
    let failed = |source| OpenError::Open { path: path.to_owned(), source };
    let mut connection = connect(path).map_err(failed)?;
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
    let found = applied(&tx).map_err(failed(0))?;
    if found > known() {
        return Err(MigrateError::Newer { found, known: known() });
    }
    for migration in MIGRATIONS {
        let failed = failed(migration.version);
        let checksum: [u8; 32] = Sha256::digest(migration.sql).into();
        if migration.version <= found {
            let kept: [u8; 32] = tx
                .query_row(
                    "select checksum from schema_migrations where version = ?1",
                    [migration.version],
                    |row| row.get(0),
                )
                .map_err(failed)?;
            if kept != checksum {
                return Err(MigrateError::Edited { version: migration.version });
            }
            continue;
        }
        tx.execute_batch(migration.sql).map_err(failed)?;
        tx.execute(
            "insert into schema_migrations (version, name, checksum, applied_at) values (?1, ?2, ?3, ?4)",
            (migration.version, migration.name, checksum, micros(now)),
        )
        .map_err(failed)?;
    }
    tx.commit().map_err(failed(known()))
}

pub(crate) fn known() -> i64 {
    MIGRATIONS.last().map_or(0, |migration| migration.version)
}

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
        let known: Vec<_> =
            MIGRATIONS.iter().map(|one| format!("{:04}_{}.sql", one.version, one.name)).collect();
        assert_eq!(files, known);
    }
}
