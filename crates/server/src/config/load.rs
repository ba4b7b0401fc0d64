//! Loads the configuration from all sources.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::entry::Entry;
use super::environment::Environment;
use super::error::ConfigError;
use super::file;
use super::model::Config;
use super::origin::Origin;
use super::settings::SETTINGS;

/// Configuration file that is read if it exists and no other file is named.
const DEFAULT_FILE: &str = "waypost.toml";

/// Sources of the configuration.
pub(crate) struct Sources<'a> {
    /// Configuration file from the command line.
    pub(crate) file: Option<&'a Path>,
    /// Environment.
    pub(crate) environment: &'a Environment,
    /// Flags, in their order.
    pub(crate) overrides: &'a [Override],
}

/// A setting on the command line.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// Name of the setting.
    pub(crate) name: String,
    /// Value.
    pub(crate) value: String,
    /// Flag as it was written, such as `--listen`.
    pub(crate) flag: String,
}

/// The configuration and the source of each value.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The configuration.
    pub(crate) config: Config,
    /// Configuration file that was read.
    pub(crate) file: Option<PathBuf>,
    /// Files from which secrets were read.
    pub(crate) secret_files: Vec<PathBuf>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Returns the source of a setting's value.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }
}

/// Loads the configuration from all sources.
///
/// # Errors
/// If a source cannot be read or contains an unknown name, or if the value that takes effect is not valid.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let named = sources.file.or(sources.environment.config_file.as_deref());
    let default = Path::new(DEFAULT_FILE);
    let path = named.or_else(|| default.exists().then_some(default));
    let mut chosen = BTreeMap::new();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        override_with(&mut chosen, file::read(path, &text)?)?;
    }
    override_with(&mut chosen, from_environment(sources.environment)?)?;
    override_with(&mut chosen, from_flags(sources.overrides)?)?;
    let mut config = defaults()?;
    let (mut origins, mut secret_files) = (BTreeMap::new(), Vec::new());
    // The order of the table decides which of several errors is reported.
    for setting in SETTINGS {
        if let Some(entry) = chosen.remove(setting.name) {
            entry.apply(&mut config)?;
            secret_files.extend(entry.secret_file());
            origins.insert(setting.name, entry.origin);
        }
    }
    Ok(Loaded { config, file: path.map(Path::to_owned), secret_files, origins })
}

/// Returns the configuration in which every setting has its default.
fn defaults() -> Result<Config, ConfigError> {
    let mut config = Config::empty();
    for setting in SETTINGS {
        let Some(text) = setting.default.text() else { continue };
        setting.set(&mut config, &text).map_err(|reason| ConfigError::Invalid {
            name: setting.name.to_owned(),
            origin: Origin::Default,
            value: Some(text),
            reason,
        })?;
    }
    Ok(config)
}

/// Replaces the entries of earlier sources by the entries of this source.
fn override_with(chosen: &mut BTreeMap<&'static str, Entry>, source: Vec<Entry>) -> Result<(), ConfigError> {
    let mut layer: BTreeMap<&'static str, Entry> = BTreeMap::new();
    for entry in source {
        let name = entry.setting.name;
        if layer.get(name).is_some_and(|other| other.contradicts(&entry)) {
            return Err(ConfigError::Twice { name: name.to_owned(), origin: entry.origin });
        }
        layer.insert(name, entry);
    }
    chosen.append(&mut layer);
    Ok(())
}

fn from_environment(environment: &Environment) -> Result<Vec<Entry>, ConfigError> {
    environment.settings.iter().map(|(variable, value)| Entry::of_variable(variable, value)).collect()
}

fn from_flags(overrides: &[Override]) -> Result<Vec<Entry>, ConfigError> {
    overrides
        .iter()
        .map(|flag| Entry::named(&flag.name, Origin::Flag(flag.flag.clone()), |_| Ok(flag.value.clone())))
        .collect()
}

#[cfg(test)]
mod tests;
