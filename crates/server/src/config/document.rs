//! The list of settings as texts: the document, and the effective configuration.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, Kind};
use super::load::{Loaded, Origin};
use super::{Config, KEYS as ALL};

/// What stands above the list in the document.
const INTRODUCTION: &str = "\
# Configuration

This page is printed by `waypost config reference`.

A setting has a default. The file overrides it, the environment overrides the file, a flag overrides all.

- **File**: TOML. The one that `--config` or `WAYPOST_CONFIG` names, else `waypost.toml` in the working directory if there is one.
  `graph.base_url` is the key `base_url` of the table `[graph]`.
- **Environment**: `WAYPOST_` and the name in capitals; each dot becomes two underscores. An empty variable counts as not set.
- **Flags**: the name with dashes (`--graph-base-url https://…`), or `--set graph.base_url=https://…`.

A secret may stand in a file of its own: `secret_key_file`, `WAYPOST_SECRET_KEY_FILE` or `--secret-key-file` names it, and a line end after the secret is dropped.
To give both the secret and its file in the same place is an error.

A name that is not listed here stops the start, and so does an environment variable that begins with `WAYPOST_` and is none of these.
`waypost config check` prints what is in effect and where each value came from, secrets masked.
Relative paths start in the working directory.
";

/// The document of all settings, in Markdown.
pub(crate) fn reference() -> String {
    let defaults = Config::default();
    let mut text = INTRODUCTION.to_owned();
    for key in KEYS {
        let default = match (key.derived, (key.get)(&defaults)) {
            (Some(derived), _) => derived.to_owned(),
            (None, Some(value)) if value.is_empty() => "none".to_owned(),
            (None, Some(value)) => format!("`{value}`"),
            (None, None) => "none".to_owned(),
        };
        let twin = if key.is_secret() { format!(" or `{}_FILE`", key.variable()) } else { String::new() };
        let flag =
            if key.is_secret() { format!("`--{}-file`", key.flag()) } else { format!("`--{}`", key.flag()) };
        add(&mut text, format_args!("\n## `{}`\n\n", key.name));
        add(&mut text, format_args!("{}\n\n", sentences(key.about)));
        add(&mut text, format_args!("- Value: {}\n", key.kind.text()));
        add(&mut text, format_args!("- Default: {default}\n"));
        add(&mut text, format_args!("- Environment: `{}`{twin}\n", key.variable()));
        add(&mut text, format_args!("- Flag: {flag}\n"));
    }
    text.push_str(
        "\n## Beside the settings\n\n\
         - `WAYPOST_CONFIG`: the configuration file, as `--config`\n\
         - `WAYPOST_API_KEY`: the key with which `waypost send` calls\n\
         - `NO_COLOR`: no colours on the terminal\n",
    );
    text
}

/// One sentence on a line, as Markdown is written here.
fn sentences(text: &str) -> String {
    text.replace(". ", ".\n")
}

/// How long a line may be that others are lined up with.
const LINED_UP: usize = 80;

/// The effective configuration as TOML, with where each value came from.
pub(crate) fn effective(loaded: &Loaded) -> String {
    let mut text = String::new();
    let mut table = "";
    let rows: Vec<_> = KEYS.iter().map(|key| (key, row(loaded, key))).collect();
    // A long list stands for itself: the others are lined up among themselves.
    let widths = rows.iter().map(|(_, row)| row.chars().count());
    let width = widths.filter(|width| *width <= LINED_UP).max().unwrap_or_default();
    for (key, row) in rows {
        let own = key.name.rsplit_once('.').map_or("", |(table, _)| table);
        if own != table {
            table = own;
            add(&mut text, format_args!("\n[{table}]\n"));
        }
        add(&mut text, format_args!("{row:width$}  # {}\n", source(loaded, key)));
    }
    text
}

fn row(loaded: &Loaded, key: &Key) -> String {
    let name = key.name.rsplit('.').next().unwrap_or(key.name);
    match (key.get)(&loaded.config) {
        // A line that sets nothing, so that the whole stays a valid file.
        None => format!("# {name} is not set"),
        Some(value) if matches!(key.kind, Kind::Number(..)) => format!("{name} = {value}"),
        Some(value) => format!("{name} = {}", toml::Value::String(value)),
    }
}

fn source(loaded: &Loaded, key: &Key) -> String {
    match (loaded.origin(key.name), key.derived) {
        (Origin::Default, Some(derived)) => format!("default: {}", derived.replace('`', "")),
        (Origin::Default, None) => "default".to_owned(),
        (origin @ (Origin::File { .. } | Origin::Environment(_) | Origin::Flag(_)), _) => {
            format!("{}: {origin}", origin.word())
        }
    }
}

/// The effective configuration for machines.
pub(crate) fn effective_json(loaded: &Loaded) -> serde_json::Value {
    let settings: Vec<_> = ALL
        .iter()
        .map(|key| {
            let value = (key.get)(&loaded.config);
            let number = value.as_ref().and_then(|value| value.parse::<u32>().ok());
            let value = match (key.kind, number) {
                (Kind::Number(..), Some(number)) => serde_json::json!(number),
                _ => serde_json::json!(value),
            };
            let origin = loaded.origin(key.name);
            let place = (*origin != Origin::Default).then(|| origin.to_string());
            serde_json::json!({ "key": key.name, "value": value, "source": origin.word(), "from": place })
        })
        .collect();
    let file = loaded.file.as_ref().map(|path| path.display().to_string());
    serde_json::json!({ "file": file, "settings": settings })
}

/// Writing to a string cannot fail.
fn add(text: &mut String, more: std::fmt::Arguments<'_>) {
    let _infallible = text.write_fmt(more);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_what_the_list_says() {
        expect_test::expect_file!["../../../../docs/config.md"].assert_eq(&reference());
    }

    #[test]
    fn every_default_is_valid() {
        let defaults = Config::default();
        for key in KEYS.iter().filter(|key| !key.is_secret()) {
            // What has no default has none to be valid.
            let Some(value) = (key.get)(&defaults) else { continue };
            let mut config = Config::default();
            assert_eq!((key.set)(&mut config, &value), Ok(()), "{}", key.name);
            assert_eq!((key.get)(&config), Some(value), "{}", key.name);
        }
    }

    #[test]
    fn names_variables_and_flags_are_each_their_own() {
        let mut seen = std::collections::BTreeSet::new();
        for key in KEYS {
            for name in [key.name.to_owned(), key.variable(), format!("--{}", key.flag())] {
                assert!(seen.insert(name), "{} twice", key.name);
            }
        }
    }
}
