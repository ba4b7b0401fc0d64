//! Errors of the configuration. Each message names the setting, the source of its value and the valid values.

use std::path::PathBuf;

use super::origin::Origin;

/// Error of the configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// No setting has this name.
    #[error("{origin}: there is no setting `{name}`{}", hint(nearest.as_deref()))]
    Unknown {
        /// Name as it was written.
        name: String,
        /// Source of the name.
        origin: Origin,
        /// Most similar name.
        nearest: Option<String>,
    },
    /// No setting has this environment variable.
    #[error("there is no setting for the environment variable {variable}{}", hint(nearest.as_deref()))]
    UnknownVariable {
        /// Name of the variable.
        variable: String,
        /// Most similar variable.
        nearest: Option<String>,
    },
    /// A value is not valid.
    #[error("{origin}: {name}{} {reason}", shown(value.as_deref()))]
    Invalid {
        /// Name of the setting.
        name: String,
        /// Source of the value.
        origin: Origin,
        /// Value, unless it is a secret.
        value: Option<String>,
        /// Reason: "must be …".
        reason: String,
    },
    /// A source sets both a secret and the file of the secret.
    #[error("{origin}: both {name} and {name}_file are set: remove one of them")]
    Twice {
        /// Name of the setting.
        name: String,
        /// Source of the second entry.
        origin: Origin,
    },
    /// The file of a secret cannot be read.
    #[error("{origin}: {name}: reading the file {}", path.display())]
    SecretFile {
        /// Setting that names the file.
        name: String,
        /// Source of the path.
        origin: Origin,
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The configuration file cannot be read.
    #[error("reading the configuration file {}", path.display())]
    File {
        /// Path of the file.
        path: PathBuf,
        /// Cause.
        source: std::io::Error,
    },
    /// The configuration file is not TOML.
    #[error("{origin}: not TOML: {reason}")]
    Syntax {
        /// Position of the error.
        origin: Origin,
        /// Description of the syntax error.
        reason: String,
    },
    /// The value of an environment variable is not UTF-8.
    #[error("the environment variable {0} is not UTF-8")]
    NotUnicode(String),
}

/// Error: the key that encrypts secrets in the database is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "secret_key is not set: it encrypts the access tokens in the database; create a key with \
     `openssl rand -base64 32`, keep a backup of the key, and set WAYPOST_SECRET_KEY, WAYPOST_SECRET_KEY_FILE or \
     `secret_key` in waypost.toml"
)]
pub(crate) struct MissingSecretKey;

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => "; `waypost config reference` lists all settings".to_owned(),
    }
}

fn shown(value: Option<&str>) -> String {
    value.map(|value| format!(" = `{value}`")).unwrap_or_default()
}
