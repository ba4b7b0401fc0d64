//! The environment of the process: the one place that reads it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

use super::error::ConfigError;

/// What all our variables begin with.
const PREFIX: &str = "WAYPOST_";

/// What the environment says. A variable that is empty counts as not set: a compose file cannot leave one out.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// The configuration file (`WAYPOST_CONFIG`).
    pub(crate) config_file: Option<PathBuf>,
    /// The key with which `waypost send` calls (`WAYPOST_API_KEY`).
    pub(crate) api_key: Option<SecretString>,
    /// Whether colours are unwanted (`NO_COLOR`).
    pub(crate) is_plain: bool,
    /// All other variables that begin with `WAYPOST_`.
    pub(super) settings: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process.
    ///
    /// # Errors
    /// When one of our variables is not UTF-8.
    pub(crate) fn read() -> Result<Self, ConfigError> {
        Self::from_pairs(std::env::vars_os())
    }

    /// An environment with these variables.
    pub(super) fn from_pairs(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut environment = Self::default();
        for (variable, value) in pairs {
            let Some(variable) = variable.to_str() else { continue };
            if value.is_empty() || !(variable.starts_with(PREFIX) || variable == "NO_COLOR") {
                continue;
            }
            let not_text = || ConfigError::NotText(variable.to_owned());
            match variable {
                "NO_COLOR" => environment.is_plain = true,
                "WAYPOST_CONFIG" => environment.config_file = Some(PathBuf::from(value)),
                "WAYPOST_API_KEY" => {
                    environment.api_key = Some(value.to_str().ok_or_else(not_text)?.into());
                }
                _ => {
                    let value = value.to_str().ok_or_else(not_text)?.to_owned();
                    environment.settings.insert(variable.to_owned(), value);
                }
            }
        }
        Ok(environment)
    }
}
