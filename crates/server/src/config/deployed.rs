//! Tests: every setting in the examples of `deploy/` and in the operator's guide exists.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::environment::{Environment, OTHER_VARIABLES};
use super::load::{Sources, load};
use super::setting::Setting;
use super::settings::SETTINGS;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns the variables in a text that begin with `WAYPOST_`.
fn variables(text: &str) -> BTreeSet<&str> {
    let is_part = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '_';
    text.split(|letter| !is_part(letter)).filter(|name| name.starts_with("WAYPOST_")).collect()
}

#[test]
fn every_variable_in_the_examples_exists() {
    let mut known: BTreeSet<String> = SETTINGS.iter().map(Setting::variable).collect();
    known.extend(SETTINGS.iter().filter(|key| key.is_secret()).map(|key| format!("{}_FILE", key.variable())));
    known.extend(OTHER_VARIABLES.map(str::to_owned));
    // Only the example configuration of Caddy uses these variables.
    let of_caddy = ["WAYPOST_HOST", "WAYPOST_UPSTREAM"];
    let mut n_variables = 0;
    let folder = std::fs::read_dir(root().join("deploy")).expect("the folder");
    let mut files: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
    files.push(root().join("docs/operating.md"));
    for path in files.iter().filter(|path| path.is_file()) {
        let text = std::fs::read_to_string(path).expect("a text");
        for variable in variables(&text) {
            n_variables += 1;
            let is_of_caddy = of_caddy.contains(&variable);
            assert!(known.contains(variable) || is_of_caddy, "{}: {variable}", path.display());
        }
    }
    assert!(n_variables > 10, "{n_variables}");
}

#[test]
fn the_example_file_is_valid_with_the_environment_of_the_unit() {
    let unit = std::fs::read_to_string(root().join("deploy/waypost.service")).expect("the unit");
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("secret_key");
    std::fs::write(&key, "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n").expect("a key");
    let pairs: Vec<(OsString, OsString)> = unit
        .lines()
        .filter_map(|line| line.strip_prefix("Environment=")?.split_once('='))
        .map(|(name, value)| {
            let value = value.replace("/etc/waypost", root().join("deploy").to_str().expect("a path"));
            let value = value.replace("%d", folder.path().to_str().expect("a path"));
            (name.into(), value.into())
        })
        .collect();
    let environment = Environment::from_pairs(pairs).expect("an environment");
    let loaded = load(&Sources { file: None, environment: &environment, overrides: &[] }).expect("settings");
    assert!(loaded.config.has_secret_key());
    assert_eq!(loaded.config.database, Path::new("/var/lib/waypost/waypost.db"));
    assert_eq!(loaded.secret_files, [key]);
}
