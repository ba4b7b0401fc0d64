//! The number of dependencies. Their licences, sources and duplicates are checked by `cargo deny` (`deny.toml`).

use super::Finding;
use crate::repository::TextFile;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// The most packages that the lock file may name; a new one costs build time and someone's trust.
/// Fifteen are there for spans (decision 30): OpenTelemetry's SDK brings an older `rand` along.
const LOCKED_PACKAGES: usize = 340;

/// Output of `cargo metadata`, as far as the rules need it.
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
    let fix = "drop a dependency (cargo tree -i NAME), or raise the ceiling in xtask/src/tidy/tree.rs with a reason";
    vec![Finding::new("Cargo.lock", 1, what, fix)]
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

    #[test]
    fn the_lock_file_has_a_ceiling() {
        let lock = |n| TextFile { path: "Cargo.lock".to_owned(), text: "[[package]]\n".repeat(n) };
        assert!(check_lock(&[lock(LOCKED_PACKAGES)]).is_empty());
        assert_eq!(check_lock(&[lock(LOCKED_PACKAGES + 1)]).len(), 1);
        assert_eq!(check_lock(&[]).len(), 1);
    }
}
