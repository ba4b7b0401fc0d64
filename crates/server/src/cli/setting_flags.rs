//! Flags of all settings, which every command accepts.

use std::path::PathBuf;
use std::sync::LazyLock;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{self, ConfigError, Environment, Loaded, Override, SETTINGS, Setting, Sources};

/// Heading of the flags in the help.
pub(super) const HEADING: &str =
    "Settings (also in waypost.toml and in the environment: see `waypost config reference`)";

/// Settings on the command line.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingFlags {
    file: Option<PathBuf>,
    overrides: Vec<Override>,
}

impl SettingFlags {
    /// Loads the configuration.
    ///
    /// # Errors
    /// If the configuration is not valid.
    pub(super) fn load(&self, environment: &Environment) -> Result<Loaded, ConfigError> {
        config::load(&Sources { file: self.file.as_deref(), environment, overrides: &self.overrides })
    }
}

/// Flag of a setting.
struct Flag {
    key: &'static Setting,
    /// Identifier in clap; it differs from the identifiers of all arguments of commands.
    id: String,
    /// Name of the setting. A secret is read from a file only, because other users of the machine can read the arguments of a
    /// process.
    name: String,
    /// Flag without its dashes.
    long: String,
}

/// Flags of all settings. They are static, because clap needs static names.
static FLAGS: LazyLock<Vec<Flag>> = LazyLock::new(|| {
    let flag = |key: &'static Setting| {
        let (name, long) = if key.is_secret() {
            (format!("{}_file", key.name), format!("{}-file", key.flag()))
        } else {
            (key.name.to_owned(), key.flag())
        };
        Flag { key, id: format!("setting {name}"), name, long }
    };
    SETTINGS.iter().map(flag).collect()
});

fn assignment(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("must be KEY=VALUE, such as limits.burst=20")?;
    Ok((name.trim().to_owned(), value.to_owned()))
}

impl Args for SettingFlags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("setting config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .global(true)
            .help_heading(HEADING)
            .help("Configuration file [default: waypost.toml, if it exists]");
        let set = Arg::new("setting set")
            .long("set")
            .value_name("KEY=VALUE")
            .value_parser(ValueParser::new(assignment))
            .action(ArgAction::Append)
            .global(true)
            .help_heading(HEADING)
            .help("Any setting, such as limits.burst=20; can be repeated");
        let command = FLAGS.iter().fold(command.arg(config), |command, flag| {
            let key = flag.key;
            let about = key.help.split_once(". ").map_or(key.help, |(first, _)| first);
            let about = about.trim_end_matches('.');
            let help = if key.is_secret() {
                format!("File that contains the setting {}", key.name)
            } else {
                about.to_owned()
            };
            let arg = Arg::new(flag.id.as_str())
                .long(flag.long.as_str())
                .value_name(if key.is_secret() { "FILE" } else { "VALUE" })
                .global(true)
                .help_heading(HEADING)
                // The flags of settings in tables work, but they would make the help too long.
                .hide(key.name.contains('.'))
                .help(help);
            command.arg(arg)
        });
        command.arg(set)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SettingFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut overrides = Vec::new();
        for Flag { id, name, long, .. } in FLAGS.iter() {
            if let Some(value) = matches.get_one::<String>(id) {
                let flag = format!("--{long}");
                overrides.push(Override { name: name.clone(), value: value.clone(), flag });
            }
        }
        for (name, value) in matches.get_many::<(String, String)>("setting set").into_iter().flatten() {
            let flag = format!("--set {name}");
            overrides.push(Override { name: name.clone(), value: value.clone(), flag });
        }
        Ok(Self { file: matches.get_one::<PathBuf>("setting config").cloned(), overrides })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
