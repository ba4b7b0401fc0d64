//! Checks of the tree that neither the compiler nor clippy makes.
//!
//! **Invariant:** a rule reads and reports; only `--bless-migrations` writes, and it only appends.
//! **Invariant:** every finding names a file, a line and the mend.
//!
//! The rules are plain functions over texts, so each is tested on a few lines; one test runs them all on the
//! repository, so that nobody waits for CI to learn what it found.

mod crates;
mod links;
mod migrations;
mod modules;
mod names;
mod signatures;
mod snapshots;
mod sources;
mod steps;
mod times;
mod tree;

use crate::repository::{self, TextFile};
use crate::terminal::print_line;
use anyhow::{Result, bail};
use std::fmt;
use std::path::Path;

/// Something that is not as the house rules want it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    path: String,
    line: usize,
    what: String,
    fix: String,
}

impl Finding {
    /// A finding at a line (from one) of a file; `fix` says what to do about it.
    fn new(path: &str, line: usize, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), fix: fix.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {}\n    fix: {}", self.path, self.line, self.what, self.fix)
    }
}

/// Runs every rule, prints what they found and fails if that is anything.
pub(crate) fn run(bless_migrations: bool) -> Result<()> {
    let root = repository::root();
    if bless_migrations {
        for path in migrations::bless(&root)? {
            print_line(format_args!("blessed {path}"));
        }
    }
    let findings = check(&root)?;
    for finding in &findings {
        print_line(finding);
    }
    if !findings.is_empty() {
        bail!("tidy: {} finding(s)", findings.len());
    }
    print_line("tidy: nothing to fix");
    Ok(())
}

/// Returns the findings of all rules in the repository at `root`.
pub(crate) fn check(root: &Path) -> Result<Vec<Finding>> {
    let files = repository::read(root)?;
    let metadata = tree::metadata(root)?;
    let mut findings = Vec::new();
    findings.extend(crates::check_dependencies(&metadata, &files));
    findings.extend(crates::check_sizes(&files));
    findings.extend(tree::check_lock(&files));
    findings.extend(sources::check(&files));
    findings.extend(steps::check(&files));
    findings.extend(times::check(&files));
    findings.extend(migrations::check(&files));
    findings.extend(snapshots::check(&files));
    findings.extend(links::check(root, &files));
    findings.extend(modules::check(&files));
    findings.extend(names::check(&files));
    findings.extend(signatures::check(&files));
    findings.sort();
    Ok(findings)
}

/// The line (from one) of `path` that starts with `start`; one if there is none.
fn line_of(files: &[TextFile], path: &str, start: &str) -> usize {
    files
        .iter()
        .filter(|file| file.path == path)
        .flat_map(TextFile::lines)
        .find(|(_, line)| line.starts_with(start))
        .map_or(1, |(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_repository_is_tidy() {
        let findings = check(&repository::root()).unwrap();
        let text: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(findings.is_empty(), "\n{}\n", text.join("\n"));
    }
}
