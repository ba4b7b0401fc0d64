//! The dependencies as a whole: how many there are, and that there is one of what there must be one of.

use super::Finding;
use crate::repository::TextFile;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// The most packages that the lock file may name; a new one costs build time and someone's trust.
/// Fifteen are there for spans (decision 30): OpenTelemetry's SDK brings an older `rand` along.
const LOCKED_PACKAGES: usize = 340;

/// What `cargo metadata` tells, as far as the rules ask.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    /// Every package of the tree on this platform, ours too.
    pub(super) packages: Vec<Package>,
    /// The ids of ours.
    pub(super) workspace_members: Vec<String>,
}

impl Metadata {
    /// Our own packages.
    pub(super) fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.workspace_members.contains(&package.id))
    }
}

/// One package.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    pub(super) dependencies: Vec<Dependency>,
}

/// One declared dependency; `kind` is `dev`, `build` or nothing.
#[derive(Debug, Deserialize)]
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) kind: Option<String>,
}

/// Asks cargo for the packages of the tree on this platform.
pub(super) fn metadata(root: &Path) -> Result<Metadata> {
    let platform = cargo(root, &["-vV"])?
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .context("cargo -vV names no host")?;
    let json =
        cargo(root, &["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])?;
    serde_json::from_str(&json).context("reading what cargo metadata printed")
}

/// The packages that are really built on this platform, as `name vVERSION`.
///
/// `cargo metadata` also names packages behind features that nobody turned on (`ring` is one), so it is
/// `cargo tree` that knows.
pub(super) fn built(root: &Path) -> Result<BTreeSet<String>> {
    let text = cargo(root, &["tree", "--workspace", "--locked", "--prefix", "none", "--format", "{p}"])?;
    let package = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    Ok(text.lines().map(package).filter(|package| !package.is_empty()).collect())
}

/// Counts the packages of the lock file.
pub(super) fn check_lock(files: &[TextFile]) -> Vec<Finding> {
    let Some(lock) = files.iter().find(|file| file.path == "Cargo.lock") else {
        return vec![Finding::new(
            "Cargo.lock",
            1,
            "there is no lock file",
            "commit the one that cargo writes",
        )];
    };
    let packages = lock.text.lines().filter(|line| *line == "[[package]]").count();
    if packages <= LOCKED_PACKAGES {
        return Vec::new();
    }
    let what = format!("{packages} packages are locked, the ceiling is {LOCKED_PACKAGES}");
    let mend = "drop a dependency (cargo tree -i NAME), or raise the ceiling in xtask/src/tidy/tree.rs with a reason";
    vec![Finding::new("Cargo.lock", 1, what, mend)]
}

/// There is one TLS provider, aws-lc-rs, and one SQLite.
pub(super) fn check_single(built: &BTreeSet<String>) -> Vec<Finding> {
    let versions =
        |name: &str| built.iter().filter(|package| package.split(' ').next() == Some(name)).count();
    let mut findings = Vec::new();
    for (name, reason) in [("aws-lc-rs", "TLS provider"), ("libsqlite3-sys", "SQLite")] {
        let count = versions(name);
        if count != 1 {
            findings.push(Finding::new(
                "Cargo.lock",
                1,
                format!("the tree has {count} versions of `{name}`, our only {reason}"),
                "bring the crates that ask for it to one version: cargo tree -i NAME",
            ));
        }
    }
    for other in ["ring", "openssl-sys", "native-tls", "boring-sys", "graviola", "sqlite3-sys", "libsql-ffi"]
    {
        if versions(other) > 0 {
            findings.push(Finding::new(
                "Cargo.lock",
                1,
                format!("`{other}` is in the tree beside aws-lc-rs and the bundled SQLite"),
                format!("turn off the feature that brings it: cargo tree -i {other}"),
            ));
        }
    }
    findings
}

/// Runs cargo and hands back what it printed.
fn cargo(root: &Path, arguments: &[&str]) -> Result<String> {
    let doing = || format!("running cargo {}", arguments.join(" "));
    let output = Command::new("cargo").args(arguments).current_dir(root).output().with_context(doing)?;
    if !output.status.success() {
        bail!("{}: {}", doing(), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(doing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(packages: &[&str]) -> BTreeSet<String> {
        packages.iter().map(|package| (*package).to_owned()).collect()
    }

    #[test]
    fn there_is_one_tls_provider_and_one_sqlite() {
        assert!(
            check_single(&set(&["aws-lc-rs v1.19.0", "libsqlite3-sys v0.39.1", "ringbuf v0.1.0"])).is_empty()
        );
        assert_eq!(
            check_single(&set(&["aws-lc-rs v1.19.0", "libsqlite3-sys v0.39.1", "ring v0.17.14"])).len(),
            1
        );
        assert_eq!(
            check_single(&set(&["aws-lc-rs v1.0.0", "libsqlite3-sys v0.39.1", "libsqlite3-sys v0.30.1"]))
                .len(),
            1
        );
        assert_eq!(check_single(&set(&[])).len(), 2);
    }

    #[test]
    fn the_lock_file_has_a_ceiling() {
        let lock = |n| TextFile { path: "Cargo.lock".to_owned(), text: "[[package]]\n".repeat(n) };
        assert!(check_lock(&[lock(LOCKED_PACKAGES)]).is_empty());
        assert_eq!(check_lock(&[lock(LOCKED_PACKAGES + 1)]).len(), 1);
        assert_eq!(check_lock(&[]).len(), 1);
    }
}
