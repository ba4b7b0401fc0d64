//! Environment variables. No other module reads the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use secrecy::SecretString;

use super::error::ConfigError;
use super::service_links::is_service_link;

/// Prefix of the variables of waypost.
const PREFIX: &str = "WAYPOST_";

/// Variables that are not settings.
pub(super) const OTHER_VARIABLES: [&str; 4] =
    ["WAYPOST_CONFIG", "WAYPOST_API_KEY", "WAYPOST_KEY", "WAYPOST_URL"];

/// Environment variables. An empty variable counts as not set, because a compose file cannot omit a variable.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    /// Path of the configuration file (`WAYPOST_CONFIG`).
    pub(crate) config_file: Option<PathBuf>,
    /// API key of the commands that call a running gateway (`WAYPOST_API_KEY`, or `WAYPOST_KEY`, which the examples use).
    pub(crate) api_key: Option<SecretString>,
    /// URL of the gateway for the commands that call one (`WAYPOST_URL`).
    pub(crate) url: Option<String>,
    /// `true` if output must not be colored (`NO_COLOR`).
    pub(crate) is_plain: bool,
    /// Other variables that begin with `WAYPOST_`, except those that Kubernetes sets for Services.
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
        let mut short_key = None;
        for (variable, value) in pairs {
            let Some(variable) = variable.to_str() else { continue };
            if value.is_empty() || !(variable.starts_with(PREFIX) || variable == "NO_COLOR") {
                continue;
            }
            let text = || value.to_str().ok_or_else(|| ConfigError::NotUnicode(variable.to_owned()));
            match variable {
                "NO_COLOR" => environment.is_plain = true,
                "WAYPOST_CONFIG" => environment.config_file = Some(PathBuf::from(value)),
                "WAYPOST_API_KEY" => environment.api_key = Some(text()?.into()),
                "WAYPOST_KEY" => short_key = Some(SecretString::from(text()?)),
                "WAYPOST_URL" => environment.url = Some(text()?.to_owned()),
                _ => {
                    let value = text()?;
                    if !is_service_link(variable, value) {
                        environment.settings.insert(variable.to_owned(), value.to_owned());
                    }
                }
            }
        }
        environment.api_key = environment.api_key.or(short_key);
        Ok(environment)
    }
}
