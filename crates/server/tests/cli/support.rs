//! A folder of its own for each test, an empty environment, and the program in it.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// 32 bytes as base64.
pub(crate) const SECRET_KEY: &str = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";

/// What a run left behind.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Standard output, if all went well.
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "out: {}\nerr: {}", self.out, self.err);
        self.out
    }

    /// The JSON on standard output, if all went well.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).unwrap()
    }

    /// Standard error of a run that failed and printed no result.
    pub(crate) fn refused(self) -> String {
        assert_eq!(self.code, 1, "out: {}\nerr: {}", self.out, self.err);
        assert_eq!(self.out, "");
        self.err
    }
}

pub(crate) struct Shell {
    folder: TempDir,
    variables: Vec<(String, String)>,
}

/// A shell in an empty folder, without any settings.
pub(crate) fn bare() -> Shell {
    Shell { folder: tempfile::tempdir().unwrap(), variables: Vec::new() }
}

/// A shell with a secret key.
pub(crate) fn shell() -> Shell {
    bare().with("WAYPOST_SECRET_KEY", SECRET_KEY)
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

    /// Runs `waypost` with the words of a line.
    pub(crate) fn waypost(&self, line: &str) -> Ran {
        self.run(line.split_whitespace())
    }

    pub(crate) fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_waypost"))
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        Ran {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
