//! Why a configuration is refused. Each text names the setting, where its value came from and what is valid.

use std::path::PathBuf;

use super::load::Origin;

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// A name that no setting has.
    #[error("{origin}: there is no setting `{name}`{}", hint(nearest.as_deref()))]
    Unknown {
        /// The name as it was written.
        name: String,
        /// Where.
        origin: Origin,
        /// The setting that was probably meant.
        nearest: Option<String>,
    },
    /// An environment variable that no setting has.
    #[error("there is no setting for the environment variable {variable}{}", hint(nearest.as_deref()))]
    UnknownVariable {
        /// The variable.
        variable: String,
        /// The variable that was probably meant.
        nearest: Option<String>,
    },
    /// A value that cannot be.
    #[error("{origin}: {name}{} {reason}", shown(value.as_deref()))]
    Invalid {
        /// The setting.
        name: String,
        /// Where its value came from.
        origin: Origin,
        /// The value, unless it is a secret.
        value: Option<String>,
        /// What it has to be: "must be …".
        reason: String,
    },
    /// A secret that is given both as it is and as a file.
    #[error("{origin}: both {name} and {name}_file are set: leave one of them out")]
    Twice {
        /// The setting.
        name: String,
        /// Where the second one is.
        origin: Origin,
    },
    /// The file of a secret cannot be read.
    #[error("{origin}: {name}: reading the file {}", path.display())]
    SecretFile {
        /// The setting that names the file.
        name: String,
        /// Where it is named.
        origin: Origin,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be read.
    #[error("reading the configuration file {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no TOML.
    #[error("{origin}: not TOML: {reason}")]
    Syntax {
        /// Where.
        origin: Origin,
        /// What the reader stumbled over.
        reason: String,
    },
    /// An environment variable that is no text.
    #[error("the environment variable {0} is not UTF-8")]
    NotText(String),
}

/// There is no key for what is secret in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "secret_key is not set: it encrypts the access tokens in the database; make one with `openssl rand -base64 32`, keep it \
     safe, and give it as WAYPOST_SECRET_KEY, WAYPOST_SECRET_KEY_FILE or `secret_key` in waypost.toml"
)]
pub(crate) struct MissingSecretKey;

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest}?"),
        None => "; `waypost config reference` lists them all".to_owned(),
    }
}

fn shown(value: Option<&str>) -> String {
    value.map(|value| format!(" = `{value}`")).unwrap_or_default()
}
