//! Laying the sources over each other.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use domain::check::nearest;
use secrecy::{ExposeSecret, SecretString};

use super::environment::Environment;
use super::error::ConfigError;
use super::keys::{KEYS, Key, Wrong};
use super::{Config, file};

/// The file that is read when none is named and it exists.
const USUAL_FILE: &str = "waypost.toml";
/// What a setting is called that names the file in which a secret stands.
const FILE_SUFFIX: &str = "_file";
/// The most bytes of a secret's file: it is a mistake above.
const LONGEST_SECRET: usize = 64 * 1024;

/// Where settings come from.
pub(crate) struct Sources<'a> {
    /// The file named on the command line.
    pub(crate) file: Option<&'a Path>,
    /// The environment.
    pub(crate) environment: &'a Environment,
    /// The flags, in their order.
    pub(crate) overrides: &'a [Override],
}

/// A setting given as a flag.
#[derive(Clone, Debug)]
pub(crate) struct Override {
    /// The setting.
    pub(crate) name: String,
    /// Its value.
    pub(crate) value: String,
    /// The flag as it was written, such as `--listen`.
    pub(crate) flag: String,
}

/// The settings, and where each came from.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// The settings.
    pub(crate) config: Config,
    /// The file that was read.
    pub(crate) file: Option<PathBuf>,
    /// The files that secrets were read from.
    pub(crate) secret_files: Vec<PathBuf>,
    origins: BTreeMap<&'static str, Origin>,
}

impl Loaded {
    /// Where a setting's value came from.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.origins.get(name).unwrap_or(&Origin::Default)
    }
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody has set it.
    Default,
    /// A line of the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment(String),
    /// A flag.
    Flag(String),
}

impl Origin {
    /// Its kind in one word.
    pub(crate) fn word(&self) -> &'static str {
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

/// One setting of one source.
pub(super) struct Entry {
    key: &'static Key,
    /// Whether the value is the path of the file in which the secret stands.
    is_file: bool,
    value: SecretString,
    origin: Origin,
}

/// The setting with this name; `value` gives its text, or says what is wrong with it.
/// It is asked without a setting for the path of a secret's file.
pub(super) fn entry(
    name: &str,
    origin: Origin,
    value: impl FnOnce(Option<&Key>) -> Result<String, String>,
) -> Result<Entry, ConfigError> {
    let (key, is_file) = match (Key::find(name), name.strip_suffix(FILE_SUFFIX).and_then(Key::find)) {
        (Some(key), _) => (key, false),
        (None, Some(key)) if key.is_secret() => (key, true),
        (None, _) => {
            let names = names();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let nearest = nearest(name, &names).map(|nearest| format!("`{nearest}`"));
            return Err(ConfigError::Unknown { name: name.to_owned(), origin, nearest });
        }
    };
    match value(Some(key).filter(|_| !is_file)) {
        Ok(value) => Ok(Entry { key, is_file, value: value.into(), origin }),
        Err(reason) => Err(ConfigError::Invalid { name: name.to_owned(), origin, value: None, reason }),
    }
}

/// Every name that a file may use.
fn names() -> Vec<String> {
    let twins = KEYS.iter().filter(|key| key.is_secret()).map(|key| format!("{}{FILE_SUFFIX}", key.name));
    KEYS.iter().map(|key| key.name.to_owned()).chain(twins).collect()
}

/// Reads all sources.
///
/// # Errors
/// When one of them cannot be read or sets what there is not, or when a value that counts is invalid.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Loaded, ConfigError> {
    let named = sources.file.or(sources.environment.config_file.as_deref());
    let usual = Path::new(USUAL_FILE);
    let path = named.or_else(|| usual.exists().then_some(usual));
    let mut chosen = BTreeMap::new();
    if let Some(path) = path {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::File { path: path.to_owned(), source })?;
        lay(&mut chosen, file::read(path, &text)?)?;
    }
    lay(&mut chosen, from_environment(sources.environment)?)?;
    lay(&mut chosen, from_flags(sources.overrides)?)?;
    let mut config = Config::default();
    let (mut origins, mut secret_files) = (BTreeMap::new(), Vec::new());
    // In the list's order, so that of several errors always the same one is told.
    for key in KEYS {
        if let Some(entry) = chosen.remove(key.name) {
            apply(&mut config, &entry)?;
            if entry.is_file {
                secret_files.push(PathBuf::from(entry.value.expose_secret()));
            }
            origins.insert(key.name, entry.origin);
        }
    }
    Ok(Loaded { config, file: path.map(Path::to_owned), secret_files, origins })
}

/// Lays one source over those before it.
fn lay(chosen: &mut BTreeMap<&'static str, Entry>, source: Vec<Entry>) -> Result<(), ConfigError> {
    let mut layer: BTreeMap<&'static str, Entry> = BTreeMap::new();
    for entry in source {
        if let Some(other) = layer.get(entry.key.name)
            && other.is_file != entry.is_file
        {
            return Err(ConfigError::Twice { name: entry.key.name.to_owned(), origin: entry.origin });
        }
        layer.insert(entry.key.name, entry);
    }
    chosen.append(&mut layer);
    Ok(())
}

fn from_environment(environment: &Environment) -> Result<Vec<Entry>, ConfigError> {
    let twin = |variable: &str| format!("{variable}_FILE");
    let mut entries = Vec::new();
    for (variable, value) in &environment.settings {
        let key = KEYS.iter().find(|key| {
            let own = key.variable();
            *variable == own || (key.is_secret() && *variable == twin(&own))
        });
        let Some(key) = key else {
            let mut variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
            variables.extend(KEYS.iter().filter(|key| key.is_secret()).map(|key| twin(&key.variable())));
            variables.extend(["WAYPOST_CONFIG".to_owned(), "WAYPOST_API_KEY".to_owned()]);
            let variables: Vec<_> = variables.iter().map(String::as_str).collect();
            let nearest = nearest(variable, &variables).map(str::to_owned);
            return Err(ConfigError::UnknownVariable { variable: variable.clone(), nearest });
        };
        entries.push(Entry {
            key,
            is_file: *variable != key.variable(),
            value: value.as_str().into(),
            origin: Origin::Environment(variable.clone()),
        });
    }
    Ok(entries)
}

fn from_flags(overrides: &[Override]) -> Result<Vec<Entry>, ConfigError> {
    overrides
        .iter()
        .map(|given| entry(&given.name, Origin::Flag(given.flag.clone()), |_| Ok(given.value.clone())))
        .collect()
}

fn apply(config: &mut Config, entry: &Entry) -> Result<(), ConfigError> {
    let Entry { key, is_file, value, origin } = entry;
    let read;
    let text = if *is_file {
        let name = format!("{}{FILE_SUFFIX}", key.name);
        read = secret_file(Path::new(value.expose_secret())).map_err(|source| ConfigError::SecretFile {
            name,
            origin: origin.clone(),
            path: PathBuf::from(value.expose_secret()),
            source,
        })?;
        read.expose_secret()
    } else {
        value.expose_secret()
    };
    (key.set)(config, text).map_err(|Wrong(reason)| ConfigError::Invalid {
        name: key.name.to_owned(),
        origin: origin.clone(),
        // A database URL may hold a password that was meant for another database.
        value: (!key.is_secret() && !text.contains('@')).then(|| text.to_owned()),
        reason,
    })
}

/// The secret in a file, without the line's end that editors leave there.
///
/// # Errors
/// When the file cannot be read, is empty, or is far too long.
pub(crate) fn secret_file(path: &Path) -> std::io::Result<SecretString> {
    let wrong = |reason: &str| Err(std::io::Error::new(std::io::ErrorKind::InvalidData, reason));
    let text = std::fs::read_to_string(path)?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return wrong("the file is empty");
    }
    if secret.len() > LONGEST_SECRET {
        return wrong("the file is too long for a secret");
    }
    Ok(secret.into())
}
