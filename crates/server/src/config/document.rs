//! Documentation of all settings, and the effective configuration.

use std::fmt::Write as _;

use super::load::Loaded;
use super::origin::Origin;
use super::setting::{DefaultValue, Setting, TomlType};
use super::settings::SETTINGS;

/// Introduction of the documentation.
const INTRODUCTION: &str = "\
# Configuration

This page is printed by `waypost config reference`.

Every setting has a default or is optional. The configuration file overrides the default, the environment overrides the file, and a flag overrides all others.

- **File**: TOML. Waypost reads the file that `--config` or `WAYPOST_CONFIG` names. Otherwise it reads `waypost.toml` in the working directory, if the file exists.
  `graph.base_url` is the key `base_url` of the table `[graph]`.
- **Environment**: `WAYPOST_` followed by the name in capital letters; two underscores replace each dot. An empty variable counts as not set.
- **Flags**: the name with dashes (`--graph-base-url https://…`), or `--set graph.base_url=https://…`.

A secret can be in a file of its own: name the file with `secret_key_file`, `WAYPOST_SECRET_KEY_FILE` or `--secret-key-file`. A line break at the end of the file is removed.
It is an error to set both the secret and its file in the same source.

Waypost does not start if a source contains a name that is not listed here. The same applies to environment variables that begin with `WAYPOST_`.
Variables that Kubernetes sets for a Service are ignored, such as `WAYPOST_SERVICE_HOST` for a Service with the name `waypost`.
`waypost config check` prints the effective configuration and the source of each value; secrets are masked.
Relative paths are relative to the working directory.
";

/// Returns the documentation of all settings in Markdown.
pub(crate) fn reference() -> String {
    let mut text = INTRODUCTION.to_owned();
    for setting in SETTINGS {
        let default = match (&setting.default, setting.default.text()) {
            (DefaultValue::Derived { description, .. }, _) => (*description).to_owned(),
            (_, Some(value)) if !value.is_empty() => format!("`{value}`"),
            (_, Some(_) | None) => "none".to_owned(),
        };
        let (variable, flag) = (setting.variable(), setting.flag());
        let (file_variable, flag) = if setting.is_secret() {
            (format!(" or `{variable}_FILE`"), format!("`--{flag}-file`"))
        } else {
            (String::new(), format!("`--{flag}`"))
        };
        add(&mut text, format_args!("\n## `{}`\n\n", setting.name));
        add(&mut text, format_args!("{}\n\n", setting.help.replace(". ", ".\n")));
        add(&mut text, format_args!("- Value: {}\n", setting.value.description()));
        add(&mut text, format_args!("- Default: {default}\n"));
        add(&mut text, format_args!("- Environment: `{variable}`{file_variable}\n"));
        add(&mut text, format_args!("- Flag: {flag}\n"));
    }
    text.push_str(
        "\n## Other environment variables\n\n\
         - `WAYPOST_CONFIG`: path of the configuration file, like `--config`\n\
         - `WAYPOST_URL`: URL of the gateway for the commands that call a running gateway, like `--url`\n\
         - `WAYPOST_API_KEY` or `WAYPOST_KEY`: API key of these commands; `WAYPOST_API_KEY` takes precedence\n\
         - `NO_COLOR`: disables colors on the terminal\n",
    );
    text
}

/// Maximum length of a line that determines the column of the comments.
const MAX_ALIGNED: usize = 80;

/// Returns the effective configuration in TOML, with the source of each value.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut table = "";
    let rows: Vec<_> = SETTINGS.iter().map(|setting| (setting, row(loaded, setting))).collect();
    // Long lines do not move the comments of the other lines.
    let widths = rows.iter().map(|(_, row)| row.chars().count());
    let width = widths.filter(|width| *width <= MAX_ALIGNED).max().unwrap_or_default();
    for (setting, row) in rows {
        let own = setting.name.rsplit_once('.').map_or("", |(table, _)| table);
        if own != table {
            table = own;
            add(&mut text, format_args!("\n[{table}]\n"));
        }
        add(&mut text, format_args!("{row:width$}  # {}\n", source(loaded, setting)));
    }
    text
}

fn row(loaded: &Loaded, setting: &Setting) -> String {
    let name = setting.name.rsplit('.').next().unwrap_or(setting.name);
    match setting.text(&loaded.config) {
        // A comment keeps the output a valid file.
        None => format!("# {name} is not set"),
        Some(value) if setting.value.toml_type() == TomlType::Integer => format!("{name} = {value}"),
        Some(value) => format!("{name} = {}", toml::Value::String(value)),
    }
}

fn source(loaded: &Loaded, setting: &Setting) -> String {
    match (loaded.origin(setting.name), &setting.default) {
        (Origin::Default, DefaultValue::Derived { description, .. }) => {
            format!("default: {}", description.replace('`', ""))
        }
        (Origin::Default, _) => "default".to_owned(),
        (origin @ (Origin::File { .. } | Origin::Environment(_) | Origin::Flag(_)), _) => {
            format!("{}: {origin}", origin.as_str())
        }
    }
}

/// Returns the effective configuration in JSON.
pub(crate) fn effective_json(loaded: &Loaded) -> serde_json::Value {
    let settings: Vec<_> = SETTINGS
        .iter()
        .map(|setting| {
            let value = setting.text(&loaded.config);
            let number = value.as_ref().and_then(|value| value.parse::<u32>().ok());
            let value = match (setting.value.toml_type(), number) {
                (TomlType::Integer, Some(number)) => serde_json::json!(number),
                _ => serde_json::json!(value),
            };
            let origin = loaded.origin(setting.name);
            let from = (*origin != Origin::Default).then(|| origin.to_string());
            serde_json::json!({ "key": setting.name, "value": value, "source": origin.as_str(), "from": from })
        })
        .collect();
    let file = loaded.file.as_ref().map(|path| path.display().to_string());
    serde_json::json!({ "file": file, "settings": settings })
}

/// Appends formatted text; writing to a string cannot fail.
fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _infallible = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::super::model::Config;
    use super::*;

    #[test]
    fn the_committed_documentation_is_up_to_date() {
        expect_test::expect_file!["../../../../docs/config.md"].assert_eq(&reference());
    }

    #[test]
    fn every_default_is_valid() {
        for setting in SETTINGS {
            let Some(value) = setting.default.text() else { continue };
            let mut config = Config::empty();
            assert_eq!(setting.set(&mut config, &value), Ok(()), "{}", setting.name);
            assert_eq!(setting.text(&config), Some(value), "{}", setting.name);
        }
    }

    #[test]
    fn names_variables_and_flags_are_unique() {
        let mut seen = std::collections::BTreeSet::new();
        for setting in SETTINGS {
            for name in [setting.name.to_owned(), setting.variable(), format!("--{}", setting.flag())] {
                assert!(seen.insert(name), "{} twice", setting.name);
            }
        }
    }
}
