//! Environment variables. No other module reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

use super::error::ConfigError;

/// Prefix of the variables of waypost.
const PREFIX: &str = "WAYPOST_";

/// Environment variables. An empty variable counts as not set, because a compose file cannot omit a variable.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Path of the configuration file (`WAYPOST_CONFIG`).
    pub(crate) config_file: Option<PathBuf>,
    /// API key of `waypost send` (`WAYPOST_API_KEY`).
    pub(crate) api_key: Option<SecretString>,
    /// `true` if output must not be colored (`NO_COLOR`).
    pub(crate) is_plain: bool,
    /// Other variables that begin with `WAYPOST_`.
    pub(super) settings: BTreeMap<String, String>,
}

impl Environment {
    /// Reads the environment of this process.
    ///
    /// # Errors
    /// If a variable of waypost is not UTF-8.
    pub(crate) fn read() -> Result<Self, ConfigError> {
        Self::from_pairs(std::env::vars_os())
    }

    /// Creates an environment from variables.
    pub(super) fn from_pairs(
        pairs: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut environment = Self::default();
        for (variable, value) in pairs {
            let Some(variable) = variable.to_str() else { continue };
            if value.is_empty() || !(variable.starts_with(PREFIX) || variable == "NO_COLOR") {
                continue;
            }
            let not_unicode = || ConfigError::NotUnicode(variable.to_owned());
            match variable {
                "NO_COLOR" => environment.is_plain = true,
                "WAYPOST_CONFIG" => environment.config_file = Some(PathBuf::from(value)),
                "WAYPOST_API_KEY" => {
                    environment.api_key = Some(value.to_str().ok_or_else(not_unicode)?.into());
                }
                _ => {
                    let value = value.to_str().ok_or_else(not_unicode)?.to_owned();
                    environment.settings.insert(variable.to_owned(), value);
                }
            }
        }
        Ok(environment)
    }
}
