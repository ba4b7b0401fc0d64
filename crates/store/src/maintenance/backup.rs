//! Copies of the database file: made while others write, and put in the place of the original.
//!
//! **Invariant:** a copy is one state of the database, whole and checked, or it is not there: it is written aside,
//! looked through, synced and renamed.
//!
//! **Invariant:** a copy says that it is one, so that nothing leaves from it twice (`restored`).

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

/// Pages that are copied at once.
const PAGES_PER_STEP: i32 = 1024;

/// What a copy is called until it is whole.
const UNFINISHED: &str = "unfinished";

/// What SQLite keeps beside a database, by the ends of the names.
const LOGS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Why a copy cannot be made, or not be put in place.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is something at the place already.
    #[error("{path} is there already", path = .0.display())]
    Exists(PathBuf),
    /// There is nothing to copy.
    #[error("there is no database {path}", path = .0.display())]
    Missing(PathBuf),
    /// Both are one file.
    #[error("{path} is the database itself", path = .0.display())]
    Same(PathBuf),
    /// A process works with the database that is to be replaced.
    #[error("a waypost works with {path}: end it first", path = .0.display())]
    InUse(PathBuf),
    /// The copy is not in order; it is not kept.
    #[error("the copy of {path} is damaged: {finding}", path = path.display())]
    Damaged {
        /// What was copied.
        path: PathBuf,
        /// What SQLite found.
        finding: String,
    },
    /// The schema of the database is not one of this program.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// A newer program has written it.
    #[error("{path} has version {found}, this program knows {known}: use a newer waypost", path = path.display())]
    Newer {
        /// What was copied.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// SQLite said no.
    #[error("{doing} {path}", path = path.display())]
    Sql {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
    /// The system said no.
    #[error("{doing} {path}", path = path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

fn sql<'a>(doing: &'static str, path: &'a Path) -> impl Fn(rusqlite::Error) -> CopyError + 'a {
    move |source| CopyError::Sql { doing, path: path.to_owned(), source }
}

fn io<'a>(doing: &'static str, path: &'a Path) -> impl Fn(io::Error) -> CopyError + 'a {
    move |source| CopyError::Io { doing, path: path.to_owned(), source }
}

/// A copy that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its bytes.
    pub size: u64,
    /// The last migration that was applied to it.
    pub version: i64,
}

/// Copies the database to a file, as it is at one moment; others may write meanwhile.
///
/// # Errors
/// [`CopyError`]; `Exists` unless it is to be replaced. An earlier file stays as it was.
pub fn backup(source: &Path, target: &Path, replaces: bool, now: Timestamp) -> Result<Copied, CopyError> {
    if !source.exists() {
        return Err(CopyError::Missing(source.to_owned()));
    }
    if is_same(source, target) {
        return Err(CopyError::Same(target.to_owned()));
    }
    if target.exists() && !replaces {
        return Err(CopyError::Exists(target.to_owned()));
    }
    let aside = beside(target, UNFINISHED);
    let copied = copy(source, &aside, Mark::Made(now)).inspect_err(|_| remove(&aside))?;
    put_in_place(&aside, target)?;
    Ok(copied)
}

/// What becomes of the messages that a copy holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restoring {
    /// They may have left since it was made: what may have is held.
    MayHaveLeft,
    /// Nothing has left since it was made: the queue goes on where it was.
    NothingLeft,
}

/// A copy that was put in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What was put in place.
    pub copied: Copied,
    /// Where the database is that was there before.
    pub before: Option<PathBuf>,
}

/// Puts a copy in the place of the database. The one that is there is moved aside, if it is to be replaced.
///
/// # Errors
/// [`CopyError`]; the database stays as it was.
pub fn restore(
    source: &Path,
    target: &Path,
    (restoring, replaces): (Restoring, bool),
    now: Timestamp,
) -> Result<Restored, CopyError> {
    if !source.is_file() {
        return Err(CopyError::Missing(source.to_owned()));
    }
    if is_same(source, target) {
        return Err(CopyError::Same(target.to_owned()));
    }
    if target.exists() {
        if integrity_check::has_living_workers(target, now) {
            return Err(CopyError::InUse(target.to_owned()));
        }
        if !replaces {
            return Err(CopyError::Exists(target.to_owned()));
        }
    }
    let mark = match restoring {
        Restoring::NothingLeft => Mark::None,
        Restoring::MayHaveLeft => {
            // A copy that somebody made by other means bears no mark. It is no younger than its file.
            let written = fs::metadata(source).and_then(|file| file.modified()).ok();
            let written = written.and_then(|at| Timestamp::try_from(at).ok());
            Mark::Found(written.map_or(now, |written| written.min(now)))
        }
    };
    let aside = beside(target, UNFINISHED);
    let copied = copy(source, &aside, mark).inspect_err(|_| remove(&aside))?;
    give_to_owner(&aside, target);
    let has_database = target.exists();
    let moved = move_aside(target, now)?;
    let before = has_database.then_some(moved);
    put_in_place(&aside, target)?;
    Ok(Restored { copied, before })
}

/// Gives a file to whom the database belonged, or else its folder: root restores for a service that is not root.
fn give_to_owner(path: &Path, target: &Path) {
    let owner = fs::metadata(target).or_else(|_| fs::metadata(folder_of(target)));
    if let Ok(owner) = owner {
        // Nobody but root can; then it belongs to whoever restores, as any file that they make.
        drop(std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())));
    }
}

/// What is written into a copy about itself.
#[derive(Clone, Copy)]
enum Mark {
    /// It is a copy, of this time.
    Made(Timestamp),
    /// It is a copy, of this time unless it says otherwise.
    Found(Timestamp),
    /// It is as good as the original.
    None,
}

fn copy(source: &Path, target: &Path, mark: Mark) -> Result<Copied, CopyError> {
    remove(target);
    connection::keep_private(target);
    let from = open(source)?;
    // One read transaction over all steps: what others write meanwhile is not in the copy, and does not make it begin
    // anew.
    from.execute_batch("begin; select count(*) from sqlite_schema").map_err(sql("reading", source))?;
    let mut into = Connection::open(target).map_err(sql("making", target))?;
    {
        let backup = Backup::new(&from, &mut into).map_err(sql("copying", source))?;
        // A source that is locked answers `Busy` after its own patience.
        while backup.step(PAGES_PER_STEP).map_err(sql("copying", source))? != StepResult::Done {}
    }
    let writing = sql("writing", target);
    // One file, without a log beside it.
    into.pragma_update(None, "journal_mode", "delete").map_err(&writing)?;
    check(&into, source)?;
    migrate::check_first(&into)?;
    let version = integrity_check::version(&into).map_err(sql("reading", source))?;
    let known = migrate::known();
    if version > known {
        return Err(CopyError::Newer { path: source.to_owned(), found: version, known });
    }
    let n_marks = "insert into backup_markers (created_at) select ?1 where ?2 or not exists (select 1 from backup_markers)
                   on conflict (created_at) do nothing";
    // An empty database has no tables, and no messages that could be sent twice.
    match mark {
        _ if version == 0 => Ok(0),
        Mark::Made(at) => into.execute(n_marks, (micros(at), true)),
        Mark::Found(at) => into.execute(n_marks, (micros(at), false)),
        Mark::None => into.execute("delete from backup_markers", ()),
    }
    .map_err(&writing)?;
    into.close().map_err(|(_, error)| writing(error))?;
    let file = File::open(target).map_err(io("opening", target))?;
    file.sync_all().map_err(io("syncing", target))?;
    let size = file.metadata().map_err(io("measuring", target))?.len();
    Ok(Copied { size, version })
}

fn check(connection: &Connection, source: &Path) -> Result<(), CopyError> {
    let finding: String = connection
        .query_row("pragma integrity_check(1)", (), |row| row.get(0))
        .map_err(sql("checking the copy of", source))?;
    if finding == "ok" {
        return Ok(());
    }
    Err(CopyError::Damaged { path: source.to_owned(), finding })
}

fn open(path: &Path) -> Result<Connection, CopyError> {
    // Opened for writing, or a log without its shared memory could not be read; nothing is written.
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

fn beside(path: &Path, word: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{word}"));
    path.with_file_name(name)
}

/// Removes what was not finished, with what SQLite may have left beside it.
fn remove(path: &Path) {
    // It mostly is not there. If it is and stays, the next step says so.
    drop(fs::remove_file(path));
    LOGS.iter().for_each(|suffix| drop(fs::remove_file(sibling(path, suffix))));
}

fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Moves a database aside with its log, or the log that it left: the log of one database would damage another.
fn move_aside(path: &Path, now: Timestamp) -> Result<PathBuf, CopyError> {
    let aside = beside(path, &format!("before-restore-{}", now.as_second()));
    for suffix in LOGS.into_iter().chain([""]) {
        let (from, to) = (sibling(path, suffix), sibling(&aside, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(io("moving aside", &from))?;
        }
    }
    Ok(aside)
}

/// Puts a copy in its place; the log of what was there before goes.
fn put_in_place(aside: &Path, target: &Path) -> Result<(), CopyError> {
    for log in LOGS.map(|suffix| sibling(target, suffix)) {
        match fs::remove_file(&log) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io("removing", &log)(error)),
            Ok(()) | Err(_) => {}
        }
    }
    fs::rename(aside, target).map_err(io("renaming the copy to", target))?;
    let folder = folder_of(target);
    // The name is on disk when the folder is.
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("syncing the folder of", target))
}
