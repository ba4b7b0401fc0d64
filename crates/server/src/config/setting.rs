//! A setting: its name, the type of its value with its bounds, its default, its help, and the field that holds it.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;
use secrecy::{SecretSlice, SecretString};

use super::media::MediaStore;
use super::model::{Config, LogFormat};
use super::parse::{self, Invalid};
use crate::client_ip::Network;

/// Text that replaces a secret in output.
const MASK: &str = "***";

/// A setting.
pub(crate) struct Setting {
    /// Name in the configuration file; a dot separates a table from its key.
    pub(crate) name: &'static str,
    /// Type of the value, its bounds, and the field that holds it.
    pub(crate) value: ValueType,
    /// Default value.
    pub(crate) default: DefaultValue,
    /// Description, in sentences.
    pub(crate) help: &'static str,
}

/// Default of a setting.
pub(crate) enum DefaultValue {
    /// No value.
    None,
    /// This text.
    Text(&'static str),
    /// A text that another crate defines.
    Defined(fn() -> String),
    /// A value that depends on other settings.
    Derived {
        /// Description of the value for the documentation.
        description: &'static str,
        /// Returns the value.
        value: fn(&Config) -> Option<String>,
    },
}

/// Access to the field of the configuration that holds a value.
pub(crate) struct SettingField<T: 'static> {
    /// Stores a value.
    pub(super) set: fn(&mut Config, T),
    /// Returns the value, if there is one.
    pub(super) get: fn(&Config) -> Option<T>,
}

/// Type of a value.
pub(crate) enum ValueType {
    /// IP address and port.
    Address(SettingField<SocketAddr>),
    /// Database URL.
    DatabaseUrl(SettingField<PathBuf>),
    /// Path of a folder.
    Folder(SettingField<PathBuf>),
    /// Secret key: 32 bytes in base64.
    SecretKey(SettingField<SecretSlice<u8>>),
    /// Secret that another service issued.
    Secret(SettingField<SecretString>),
    /// Bearer token that clients must present.
    Token(SettingField<SecretString>),
    /// Name that another service defines.
    Name(SettingField<String>),
    /// Prefix of object names; may be empty.
    ObjectPrefix(SettingField<String>),
    /// Base URL.
    Url(SettingField<String>),
    /// Version of the Graph API.
    GraphVersion(SettingField<String>),
    /// Integer.
    Integer {
        /// Smallest value.
        min: u32,
        /// Largest value.
        max: u32,
        /// Field of the value.
        field: SettingField<u32>,
    },
    /// Number of hours.
    Hours {
        /// Smallest value.
        min: u32,
        /// Largest value.
        max: u32,
        /// Field of the value.
        field: SettingField<SignedDuration>,
    },
    /// List of delays in seconds.
    Delays {
        /// Smallest delay.
        min: u32,
        /// Largest delay.
        max: u32,
        /// Field of the value.
        field: SettingField<Vec<u32>>,
    },
    /// List of keywords.
    Keywords(SettingField<Vec<String>>),
    /// `true` or `false`.
    Boolean(SettingField<bool>),
    /// Format of log lines.
    LogFormat(SettingField<LogFormat>),
    /// Storage of media content.
    MediaStore(SettingField<MediaStore>),
    /// Log filter.
    LogFilter(SettingField<String>),
    /// List of IP addresses and networks.
    Networks(SettingField<Vec<Network>>),
}

/// TOML type that the configuration file uses for a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TomlType {
    /// String.
    String,
    /// Integer.
    Integer,
    /// Boolean, or a string that holds one.
    Boolean,
    /// Array of integers, or a string that lists them.
    Integers,
    /// Array of strings, or a string that lists them.
    Strings,
}

impl Setting {
    /// Returns `true` if the value is never shown.
    pub(crate) fn is_secret(&self) -> bool {
        matches!(self.value, ValueType::SecretKey(_) | ValueType::Secret(_) | ValueType::Token(_))
    }

    /// Returns the name of the environment variable.
    pub(crate) fn variable(&self) -> String {
        format!("WAYPOST_{}", self.name.replace('.', "__").to_uppercase())
    }

    /// Returns the flag without its dashes.
    pub(crate) fn flag(&self) -> String {
        self.name.replace(['.', '_'], "-")
    }

    /// Parses a text and stores the value.
    ///
    /// # Errors
    /// If the text is not valid; the error completes the sentence "the value …" ("must be …").
    pub(super) fn set(&self, config: &mut Config, text: &str) -> Result<(), String> {
        self.value.set(config, text).map_err(|invalid| match invalid {
            Invalid::Type => format!("must be {}", self.value.description()),
            Invalid::Because(reason) => reason,
        })
    }

    /// Returns the value as a text; a secret is masked.
    pub(super) fn text(&self, config: &Config) -> Option<String> {
        let value = self.value.text(config);
        match &self.default {
            DefaultValue::Derived { value: derived, .. } => value.or_else(|| derived(config)),
            DefaultValue::None | DefaultValue::Text(_) | DefaultValue::Defined(_) => value,
        }
    }
}

impl DefaultValue {
    /// Returns the text that sets the default, if there is one.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::Defined(text) => Some(text()),
            Self::None | Self::Derived { .. } => None,
        }
    }
}

impl<T> SettingField<T> {
    fn store(&self, config: &mut Config, value: Result<T, Invalid>) -> Result<(), Invalid> {
        (self.set)(config, value?);
        Ok(())
    }

    fn text(&self, config: &Config, write: impl FnOnce(T) -> String) -> Option<String> {
        (self.get)(config).map(write)
    }
}

impl ValueType {
    /// Returns the description of valid values; it completes the sentence "the value must be …".
    pub(super) fn description(&self) -> String {
        let text = match self {
            Self::Address(_) => "an IP address and a port, such as `127.0.0.1:8080`",
            Self::DatabaseUrl(_) => "`sqlite:` followed by the path of a file, such as `sqlite:waypost.db`",
            Self::Folder(_) => "the path of a folder",
            Self::SecretKey(_) => "32 bytes in base64",
            Self::Secret(_) => "a secret without spaces",
            Self::Name(_) => "a name without spaces",
            Self::ObjectPrefix(_) => "names separated by slashes, such as `waypost/media`, or empty",
            Self::Token(_) => "at least 16 visible ASCII characters without spaces",
            Self::Url(_) => "a URL that begins with `https://` or `http://`",
            Self::GraphVersion(_) => "a version of the Graph API, such as `v24.0`",
            Self::Networks(_) => {
                "IP addresses or networks separated by commas, such as `10.0.0.0/8, ::1`; an array in the file"
            }
            Self::Integer { min, max, .. } | Self::Hours { min, max, .. } => {
                return format!("an integer from {min} to {max}");
            }
            Self::Delays { min, max, .. } => {
                return format!(
                    "integers from {min} to {max} (seconds) separated by commas, such as `10,60,300`; an array in the file"
                );
            }
            Self::Keywords(_) => {
                "keywords separated by commas, such as `STOP,UNSUBSCRIBE`, or empty; each keyword contains a letter or a \
                 digit; an array in the file"
            }
            Self::Boolean(_) => return one_of(&["true", "false"]),
            Self::LogFormat(_) => return one_of(&LogFormat::ALL.map(LogFormat::as_str)),
            Self::MediaStore(_) => return one_of(&MediaStore::ALL.map(MediaStore::as_str)),
            Self::LogFilter(_) => {
                "a level (`error`, `warn`, `info`, `debug`, `trace`, `off`) or directives such as `info,engine=debug`"
            }
        };
        text.to_owned()
    }

    fn set(&self, config: &mut Config, text: &str) -> Result<(), Invalid> {
        match self {
            Self::Address(field) => field.store(config, parse::address(text)),
            Self::DatabaseUrl(field) => field.store(config, parse::database_url(text)),
            Self::Folder(field) => field.store(config, parse::folder(text)),
            Self::SecretKey(field) => field.store(config, parse::secret_key(text)),
            Self::Secret(field) => field.store(config, parse::secret(text)),
            Self::Token(field) => field.store(config, parse::token(text)),
            Self::Name(field) => field.store(config, parse::name(text)),
            Self::ObjectPrefix(field) => field.store(config, parse::object_prefix(text)),
            Self::Url(field) => field.store(config, parse::url(text)),
            Self::GraphVersion(field) => field.store(config, parse::graph_version(text)),
            Self::Integer { min, max, field } => field.store(config, parse::integer(text, *min..=*max)),
            Self::Hours { min, max, field } => {
                let hours = parse::integer(text, *min..=*max);
                field.store(config, hours.map(|hours| SignedDuration::from_hours(hours.into())))
            }
            Self::Delays { min, max, field } => field.store(config, parse::integers(text, *min..=*max)),
            Self::Keywords(field) => field.store(config, parse::keywords(text)),
            Self::Boolean(field) => field.store(config, parse::boolean(text)),
            Self::LogFormat(field) => field.store(config, text.parse().map_err(|_| Invalid::Type)),
            Self::MediaStore(field) => field.store(config, text.parse().map_err(|_| Invalid::Type)),
            Self::LogFilter(field) => field.store(config, parse::log_filter(text)),
            Self::Networks(field) => field.store(config, parse::networks(text)),
        }
    }

    fn text(&self, config: &Config) -> Option<String> {
        match self {
            Self::Address(field) => field.text(config, |address| address.to_string()),
            Self::DatabaseUrl(field) => field.text(config, |path| format!("sqlite:{}", path.display())),
            Self::Folder(field) => field.text(config, |path| path.display().to_string()),
            Self::SecretKey(field) => field.text(config, |_| MASK.to_owned()),
            Self::Secret(field) | Self::Token(field) => field.text(config, |_| MASK.to_owned()),
            Self::Name(field)
            | Self::ObjectPrefix(field)
            | Self::Url(field)
            | Self::GraphVersion(field)
            | Self::LogFilter(field) => (field.get)(config),
            Self::Integer { field, .. } => field.text(config, |number| number.to_string()),
            Self::Hours { field, .. } => field.text(config, |duration| duration.as_hours().to_string()),
            Self::Delays { field, .. } => field.text(config, |delays| list(&delays, ",")),
            Self::Keywords(field) => field.text(config, |keywords| keywords.join(",")),
            Self::Boolean(field) => field.text(config, |is_set| is_set.to_string()),
            Self::LogFormat(field) => field.text(config, |format| format.to_string()),
            Self::MediaStore(field) => field.text(config, |store| store.to_string()),
            Self::Networks(field) => field.text(config, |networks| list(&networks, ", ")),
        }
    }

    /// Returns the TOML type of the value in the configuration file.
    pub(super) fn toml_type(&self) -> TomlType {
        match self {
            Self::Integer { .. } | Self::Hours { .. } => TomlType::Integer,
            Self::Boolean(_) => TomlType::Boolean,
            Self::Delays { .. } => TomlType::Integers,
            Self::Keywords(_) | Self::Networks(_) => TomlType::Strings,
            Self::Address(_)
            | Self::DatabaseUrl(_)
            | Self::Folder(_)
            | Self::SecretKey(_)
            | Self::Secret(_)
            | Self::Token(_)
            | Self::Name(_)
            | Self::ObjectPrefix(_)
            | Self::Url(_)
            | Self::GraphVersion(_)
            | Self::LogFormat(_)
            | Self::MediaStore(_)
            | Self::LogFilter(_) => TomlType::String,
        }
    }
}

fn list<T: ToString>(values: &[T], separator: &str) -> String {
    values.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}

fn one_of(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ")
}
