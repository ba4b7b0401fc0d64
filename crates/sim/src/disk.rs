//! The kept state: `simulator.json` (all but the journal, written whole through a temporary file and a rename),
//! `simulator.jsonl` (the journal's records, appended, and rewritten at each start) and `media/`.
//!
//! **Invariant:** what was answered is in these files before the lock is given back, so that a killed process forgets
//! nothing. A lost power supply may cost the last moments: this is a simulator.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use crate::error::SimError;
use crate::journal::{Journal, Record};
use crate::state::State;

/// The open files.
#[derive(Debug)]
pub(crate) struct Disk {
    dir: PathBuf,
    journal: File,
    /// Held as long as the process lives: two simulators in one folder would write over each other.
    _lock: File,
}

impl Disk {
    /// Opens the folder; gives back what was kept there.
    pub(crate) fn open(dir: &Path) -> Result<(Self, Option<State>), SimError> {
        fs::create_dir_all(dir.join("media")).map_err(SimError::Data)?;
        let lock = File::create(dir.join("simulator.lock")).map_err(SimError::Data)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(SimError::InUse),
            Err(TryLockError::Error(error)) => return Err(SimError::Data(error)),
        }
        let state = match fs::read(dir.join("simulator.json")) {
            Ok(text) => {
                let mut state: State = serde_json::from_slice(&text).map_err(SimError::Corrupt)?;
                state.journal = read_journal(&dir.join("simulator.jsonl"))?;
                Some(state)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(SimError::Data(error)),
        };
        let empty = Journal::default();
        let journal = state.as_ref().map_or(&empty, |state| &state.journal);
        let journal = write_journal(dir, journal).map_err(SimError::Data)?;
        Ok((Self { dir: dir.to_owned(), journal, _lock: lock }, state))
    }

    /// Writes down what has changed.
    pub(crate) fn flush(&mut self, state: &mut State) -> io::Result<()> {
        if state.is_dirty {
            let text = serde_json::to_vec_pretty(state)?;
            replace(&self.dir.join("simulator.json"), &text)?;
            state.is_dirty = false;
        }
        if !state.journal.unwritten.is_empty() {
            let mut lines = state.journal.unwritten.join("\n");
            lines.push('\n');
            state.journal.unwritten.clear();
            self.journal.write_all(lines.as_bytes())?;
        }
        Ok(())
    }

    /// Writes down everything anew.
    pub(crate) fn rewrite(&mut self, state: &mut State) -> io::Result<()> {
        state.journal.unwritten.clear();
        self.journal = write_journal(&self.dir, &state.journal)?;
        state.is_dirty = true;
        self.flush(state)
    }
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    fs::write(&temporary, content)?;
    fs::rename(&temporary, path)
}

fn read_journal(path: &Path) -> Result<Journal, SimError> {
    let mut journal = Journal::default();
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(journal),
        Err(error) => return Err(SimError::Data(error)),
    };
    for line in text.split_inclusive('\n') {
        match serde_json::from_str::<Record>(line) {
            Ok(record) => journal.apply(record),
            // The process was killed while it wrote the last line.
            Err(_) if !line.ends_with('\n') => {}
            Err(error) => return Err(SimError::Corrupt(error)),
        }
    }
    Ok(journal)
}

fn write_journal(dir: &Path, journal: &Journal) -> io::Result<File> {
    let path = dir.join("simulator.jsonl");
    let temporary = path.with_extension("tmp2");
    let mut file = BufWriter::new(File::create(&temporary)?);
    for record in journal.records() {
        serde_json::to_writer(&mut file, &record)?;
        file.write_all(b"\n")?;
    }
    file.into_inner()?.sync_data()?;
    fs::rename(&temporary, &path)?;
    OpenOptions::new().append(true).open(&path)
}
