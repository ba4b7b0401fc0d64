//! An entry of a configuration source: the name of a setting and its value.

use std::path::{Path, PathBuf};

use domain::check::nearest;
use secrecy::{ExposeSecret, SecretString};

use super::environment::OTHER_VARIABLES;
use super::error::ConfigError;
use super::model::Config;
use super::origin::Origin;
use super::setting::Setting;
use super::settings::{self, SETTINGS};

/// Suffix of the name of a setting that names the file of a secret.
const FILE_SUFFIX: &str = "_file";
/// Suffix of the environment variable that names the file of a secret.
const FILE_VARIABLE_SUFFIX: &str = "_FILE";
/// Maximum size of the file of a secret in bytes.
const MAX_SECRET_FILE_BYTES: usize = 64 * 1024;

/// An entry of a configuration source.
pub(super) struct Entry {
    /// The setting.
    pub(super) setting: &'static Setting,
    /// Source of the value.
    pub(super) origin: Origin,
    /// `true` if the value is the path of the file that contains the secret.
    is_file: bool,
    value: SecretString,
}

impl Entry {
    /// Creates the entry of a name in the configuration file or on the command line. `value` returns the text of the
    /// value, or the reason why it is not valid; its argument is `None` if the value is the path of a file.
    ///
    /// # Errors
    /// If no setting has this name, or `value` fails.
    pub(super) fn named(
        name: &str,
        origin: Origin,
        value: impl FnOnce(Option<&Setting>) -> Result<String, String>,
    ) -> Result<Self, ConfigError> {
        let secret =
            name.strip_suffix(FILE_SUFFIX).and_then(settings::find).filter(|setting| setting.is_secret());
        let (setting, is_file) = match (settings::find(name), secret) {
            (Some(setting), _) => (setting, false),
            (None, Some(setting)) => (setting, true),
            (None, None) => {
                let nearest = nearest_name(name).map(|nearest| format!("`{nearest}`"));
                return Err(ConfigError::Unknown { name: name.to_owned(), origin, nearest });
            }
        };
        match value(Some(setting).filter(|_| !is_file)) {
            Ok(value) => Ok(Self { setting, is_file, value: value.into(), origin }),
            Err(reason) => Err(ConfigError::Invalid { name: name.to_owned(), origin, value: None, reason }),
        }
    }

    /// Creates the entry of an environment variable.
    ///
    /// # Errors
    /// If no setting has this variable.
    pub(super) fn of_variable(variable: &str, value: &str) -> Result<Self, ConfigError> {
        let setting = SETTINGS.iter().find(|setting| {
            let own = setting.variable();
            variable == own
                || (setting.is_secret() && variable.strip_suffix(FILE_VARIABLE_SUFFIX) == Some(&*own))
        });
        let Some(setting) = setting else {
            let nearest = nearest_variable(variable);
            return Err(ConfigError::UnknownVariable { variable: variable.to_owned(), nearest });
        };
        Ok(Self {
            setting,
            is_file: variable != setting.variable(),
            value: value.into(),
            origin: Origin::Environment(variable.to_owned()),
        })
    }

    /// Returns `true` if one entry holds the secret and the other one the path of its file.
    pub(super) fn contradicts(&self, other: &Self) -> bool {
        self.setting.name == other.setting.name && self.is_file != other.is_file
    }

    /// Returns the path of the file of the secret, if the entry names one.
    pub(super) fn secret_file(&self) -> Option<PathBuf> {
        self.is_file.then(|| PathBuf::from(self.value.expose_secret()))
    }

    /// Stores the value in the configuration.
    ///
    /// # Errors
    /// If the file of the secret cannot be read, or the value is not valid.
    pub(super) fn apply(&self, config: &mut Config) -> Result<(), ConfigError> {
        let name = self.setting.name;
        let secret = match self.secret_file() {
            Some(path) => &secret_file(&path).map_err(|source| ConfigError::SecretFile {
                name: format!("{name}{FILE_SUFFIX}"),
                origin: self.origin.clone(),
                path,
                source,
            })?,
            None => &self.value,
        };
        let text = secret.expose_secret();
        self.setting.set(config, text).map_err(|reason| ConfigError::Invalid {
            name: name.to_owned(),
            origin: self.origin.clone(),
            // A database URL may contain a password.
            value: (!self.setting.is_secret() && !text.contains('@')).then(|| text.to_owned()),
            reason,
        })
    }
}

/// Returns the name that the file can use and that is most similar to `name`.
fn nearest_name(name: &str) -> Option<String> {
    let secrets = SETTINGS.iter().filter(|setting| setting.is_secret());
    let files = secrets.map(|setting| format!("{}{FILE_SUFFIX}", setting.name));
    let names: Vec<_> = SETTINGS.iter().map(|setting| setting.name.to_owned()).chain(files).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    nearest(name, &names).map(str::to_owned)
}

/// Returns the environment variable that is most similar to `variable`.
fn nearest_variable(variable: &str) -> Option<String> {
    let secrets = SETTINGS.iter().filter(|setting| setting.is_secret());
    let mut variables: Vec<_> = SETTINGS.iter().map(Setting::variable).collect();
    variables.extend(secrets.map(|setting| format!("{}{FILE_VARIABLE_SUFFIX}", setting.variable())));
    variables.extend(OTHER_VARIABLES.map(str::to_owned));
    let variables: Vec<_> = variables.iter().map(String::as_str).collect();
    nearest(variable, &variables).map(str::to_owned)
}

/// Reads a secret from a file and removes the line break at the end.
///
/// # Errors
/// If the file cannot be read, is empty or is too large for a secret.
pub(crate) fn secret_file(path: &Path) -> std::io::Result<SecretString> {
    let invalid = |reason: &str| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
    let text = std::fs::read_to_string(path)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return invalid("the file is empty");
    }
    if secret.len() > MAX_SECRET_FILE_BYTES {
        return invalid("the file is too large for a secret");
    }
    Ok(secret.into())
}
