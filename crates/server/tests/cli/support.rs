//! A temporary folder and an empty environment for each test, and the program that runs in them.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::time_format;

/// A secret key: 32 bytes in base64.
pub(crate) const SECRET_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// Result of a run: exit code, standard output and standard error.
pub(crate) struct RunResult {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl RunResult {
    /// Returns standard output. Panics if the exit code is not 0.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self.out
    }

    /// Returns the JSON on standard output. Panics if the exit code is not 0.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Returns standard error. Panics if the exit code is not 1, or something was printed on standard output.
    pub(crate) fn failure(self) -> String {
        assert_eq!(self.code, 1, "out: {}\nerr: {}", self.out, self.err);
        assert_eq!(self.out, "");
        self.err
    }
}

pub(crate) struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// Returns a shell in an empty folder, without settings.
pub(crate) fn empty_shell() -> Shell {
    Shell { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
}

/// Returns a shell with a secret key.
pub(crate) fn shell() -> Shell {
    empty_shell().with("WAYPOST_SECRET_KEY", SECRET_KEY)
}

impl Shell {
    pub(crate) fn with(mut self, variable: &str, value: &str) -> Self {
        self.variables.push((variable.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs `waypost` with the arguments of a line, separated by spaces.
    pub(crate) fn waypost(&self, line: &str) -> RunResult {
        self.run(line.split_whitespace())
    }

    pub(crate) fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> RunResult {
        let output = Command::new(env!("CARGO_BIN_EXE_waypost"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let run = RunResult {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        };
        time_format::check_times(&run.out);
        run
    }
}
