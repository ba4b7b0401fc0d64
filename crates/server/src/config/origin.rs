//! Source of a setting's value.

use std::fmt;
use std::path::PathBuf;

/// Source of a setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The default of the setting.
    Default,
    /// A line of the configuration file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Line number; the first line is 1.
        line: usize,
    },
    /// The environment variable with this name.
    Environment(String),
    /// A flag, as it was written on the command line.
    Flag(String),
}

impl Origin {
    /// Returns the kind of the source: `default`, `file`, `environment` or `flag`.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}
