//! Backups of the database file, created while other processes write, and restored over the original.
//!
//! **Invariant:** a backup file is complete and checked, or it does not exist: the file is written under another
//! name, checked, synced and renamed.
//!
//! **Invariant:** a backup carries a marker, so that a restored database sends no message twice (see `quarantine`).

use std::fs::File;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::Timestamp;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::maintenance::integrity_check;
use crate::row::micros;
use crate::sqlite::connection::BUSY_TIMEOUT;
use crate::sqlite::migrate::MigrateError;
use crate::sqlite::{connection, migrate};

/// Number of pages in one copy step.
const PAGES_PER_STEP: i32 = 1024;

/// Suffix of a backup file that is not complete.
const UNFINISHED: &str = "unfinished";

/// Suffixes of the files that SQLite writes beside a database.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Error of a backup or a restore.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The target file exists.
    #[error("{path} exists", path = .0.display())]
    Exists(PathBuf),
    /// The source file does not exist.
    #[error("the database {path} does not exist", path = .0.display())]
    Missing(PathBuf),
    /// Source and target are the same file.
    #[error("{path} is the path of the database", path = .0.display())]
    Same(PathBuf),
    /// A process uses the database that would be replaced.
    #[error("a waypost process uses {path}: stop it first", path = .0.display())]
    InUse(PathBuf),
    /// The copy is damaged and was deleted.
    #[error("the copy of {path} is damaged: {finding}", path = path.display())]
    Damaged {
        /// Path of the source.
        path: PathBuf,
        /// Result of SQLite's check.
        finding: String,
    },
    /// The schema of the database is not one of this program.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The schema of the source is newer than this program.
    #[error("{path} has schema version {found}; this program supports versions up to {known}: use a newer waypost", path = path.display())]
    Newer {
        /// Path of the source.
        path: PathBuf,
        /// Schema version of the source.
        found: i64,
        /// Newest schema version that this program supports.
        known: i64,
    },
    /// SQLite returned an error.
    #[error("{doing} {path}", path = path.display())]
    Sql {
        /// The operation that failed.
        doing: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error from SQLite.
        source: rusqlite::Error,
    },
    /// The operating system returned an error.
    #[error("{doing} {path}", path = path.display())]
    Io {
        /// The operation that failed.
        doing: &'static str,
        /// Path of the file.
        path: PathBuf,
        /// Error from the operating system.
        source: io::Error,
    },
}

fn sql<'a>(doing: &'static str, path: &'a Path) -> impl Fn(rusqlite::Error) -> BackupError + 'a {
    move |source| BackupError::Sql { doing, path: path.to_owned(), source }
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> BackupError + 'a {
    move |source| BackupError::Io { doing, path: path.to_owned(), source }
}

/// A completed backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupInfo {
    /// Size in bytes.
    pub size: u64,
    /// Schema version.
    pub version: i64,
}

/// Creates a backup of the database as it is at one moment. Other processes may write in the meantime.
///
/// # Errors
/// [`BackupError`]; `Exists` if the target exists and must not be replaced. On an error an existing target stays
/// unchanged.
pub fn backup(
    source: &Path,
    target: &Path,
    replaces: bool,
    now: Timestamp,
) -> Result<BackupInfo, BackupError> {
    if !source.exists() {
        return Err(BackupError::Missing(source.to_owned()));
    }
    if is_same(source, target) {
        return Err(BackupError::Same(target.to_owned()));
    }
    if target.exists() && !replaces {
        return Err(BackupError::Exists(target.to_owned()));
    }
    let temporary = with_suffix(target, UNFINISHED);
    let copied = copy(source, &temporary, Marker::New(now)).inspect_err(|_| delete_file(&temporary))?;
    replace_target(&temporary, target)?;
    Ok(copied)
}

/// Treatment of the messages in a backup that is restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestoreMode {
    /// Messages may have been sent since the backup: they are quarantined.
    Quarantine,
    /// No message was sent since the backup: the queue continues.
    ContinueQueue,
}

/// Options of a restore.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreOptions {
    /// Treatment of the messages in the backup.
    pub mode: RestoreMode,
    /// `true` if an existing database is moved aside; `false` if it is an error.
    pub replaces: bool,
}

/// A completed restore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestoreResult {
    /// The restored backup.
    pub backup: BackupInfo,
    /// Path of the previous database.
    pub before: Option<PathBuf>,
}

/// Restores a backup. An existing database is moved aside, if it may be replaced.
///
/// # Errors
/// [`BackupError`]; the database stays unchanged.
pub fn restore(
    source: &Path,
    target: &Path,
    options: RestoreOptions,
    now: Timestamp,
) -> Result<RestoreResult, BackupError> {
    if !source.is_file() {
        return Err(BackupError::Missing(source.to_owned()));
    }
    if is_same(source, target) {
        return Err(BackupError::Same(target.to_owned()));
    }
    if target.exists() {
        if integrity_check::is_in_use(target, now) {
            return Err(BackupError::InUse(target.to_owned()));
        }
        if !options.replaces {
            return Err(BackupError::Exists(target.to_owned()));
        }
    }
    let marker = match options.mode {
        RestoreMode::ContinueQueue => Marker::None,
        RestoreMode::Quarantine => {
            // A copy that was created by other means has no marker. It was created no later than its file's
            // modification time.
            let written = fs::metadata(source).and_then(|file| file.modified()).ok();
            let written = written.and_then(|at| Timestamp::try_from(at).ok());
            Marker::Existing(written.map_or(now, |written| written.min(now)))
        }
    };
    let temporary = with_suffix(target, UNFINISHED);
    let copied = copy(source, &temporary, marker).inspect_err(|_| delete_file(&temporary))?;
    copy_owner(&temporary, target);
    let has_database = target.exists();
    let moved = move_aside(target, now)?;
    let before = has_database.then_some(moved);
    replace_target(&temporary, target)?;
    Ok(RestoreResult { backup: copied, before })
}

/// Gives the file the owner of the database, or of the folder: root may restore for a service with another user.
fn copy_owner(path: &Path, target: &Path) {
    let owner = fs::metadata(target).or_else(|_| fs::metadata(folder_of(target)));
    if let Ok(owner) = owner {
        // Only root can change the owner. Otherwise the file belongs to the user that restores.
        drop(std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())));
    }
}

/// Marker that is written into a copy.
#[derive(Clone, Copy)]
enum Marker {
    /// A marker with this time.
    New(Timestamp),
    /// The existing marker, or a marker with this time.
    Existing(Timestamp),
    /// No marker.
    None,
}

fn copy(source: &Path, target: &Path, marker: Marker) -> Result<BackupInfo, BackupError> {
    delete_file(target);
    connection::create_private(target);
    let from = open(source)?;
    // One read transaction covers all steps: concurrent writes are not in the copy and do not restart it.
    from.execute_batch("begin; select count(*) from sqlite_schema").map_err(sql("reading", source))?;
    let mut into = Connection::open(target).map_err(sql("creating", target))?;
    {
        let backup = Backup::new(&from, &mut into).map_err(sql("copying", source))?;
        // `step` waits for a locked source as long as the busy timeout.
        while backup.step(PAGES_PER_STEP).map_err(sql("copying", source))? != StepResult::Done {}
    }
    let writing = sql("writing", target);
    // The copy is one file without a write-ahead log.
    into.pragma_update(None, "journal_mode", "delete").map_err(&writing)?;
    check(&into, source)?;
    migrate::check_first(&into)?;
    let version = integrity_check::version(&into).map_err(sql("reading", source))?;
    let known = migrate::known();
    if version > known {
        return Err(BackupError::Newer { path: source.to_owned(), found: version, known });
    }
    let insert_marker = "insert into backup_markers (created_at) select ?1 where ?2 or not exists (select 1 from backup_markers)
                   on conflict (created_at) do nothing";
    // An empty database has no tables, and no messages that could be sent twice. The number of changed markers does not
    // matter.
    match marker {
        _ if version == 0 => Ok(0),
        Marker::New(at) => into.execute(insert_marker, (micros(at), true)),
        Marker::Existing(at) => into.execute(insert_marker, (micros(at), false)),
        Marker::None => into.execute("delete from backup_markers", ()),
    }
    .map_err(&writing)?;
    into.close().map_err(|(_, error)| writing(error))?;
    let file = File::open(target).map_err(io("opening", target))?;
    file.sync_all().map_err(io("syncing", target))?;
    let size = file.metadata().map_err(io("reading the size of", target))?.len();
    Ok(BackupInfo { size, version })
}

fn check(connection: &Connection, source: &Path) -> Result<(), BackupError> {
    let finding: String = connection
        .query_row("pragma integrity_check(1)", (), |row| row.get(0))
        .map_err(sql("checking the copy of", source))?;
    if finding == "ok" {
        return Ok(());
    }
    Err(BackupError::Damaged { path: source.to_owned(), finding })
}

fn open(path: &Path) -> Result<Connection, BackupError> {
    // The connection is opened for writing, because SQLite cannot read a write-ahead log without its shared memory
    // otherwise. Nothing is written.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(sql("opening", path))?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(sql("opening", path))?;
    connection.pragma_update(None, "query_only", true).map_err(sql("opening", path))?;
    Ok(connection)
}

fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}

/// Deletes an incomplete file and the files that SQLite may have written beside it.
fn delete_file(path: &Path) {
    // The file usually does not exist. If it exists and cannot be deleted, the next step reports an error.
    drop(fs::remove_file(path));
    LOGS.iter().for_each(|suffix| drop(fs::remove_file(log_path(path, suffix))));
}

fn log_path(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Moves a database aside together with its write-ahead log: the log would damage another database.
fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, BackupError> {
    let aside = with_suffix(path, &format!("before-restore-{}", now.as_second()));
    for suffix in LOGS.into_iter().chain([""]) {
        let (from, to) = (log_path(path, suffix), log_path(&aside, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(io("moving aside", &from))?;
        }
    }
    Ok(aside)
}

/// Renames the copy to the target, and deletes the write-ahead log of the previous database.
fn replace_target(temporary: &Path, target: &Path) -> Result<(), BackupError> {
    for log in LOGS.map(|suffix| log_path(target, suffix)) {
        match fs::remove_file(&log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("removing", &log)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(temporary, target).map_err(io("renaming the copy to", target))?;
    let folder = folder_of(target);
    // The new name is on disk after the folder is synced.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("syncing the folder of", target))
}
