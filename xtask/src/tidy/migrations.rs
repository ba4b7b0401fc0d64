//! Migrations that have gone out are never edited.
//!
//! `crates/store/migrations.sha256` holds a checksum of each, in the format of `sha256sum`.
//! A database in the field has the old text applied: a changed file would make it differ from a new one for ever.

use super::Finding;
use crate::digest::sha256_hex;
use crate::repository::{self, TextFile};
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Folder of the migrations, with one folder for each kind of database.
const FOLDER: &str = "crates/store/sql/migrations/";

/// File of the checksums of the migrations.
const LIST: &str = "crates/store/migrations.sha256";

/// Holds the migrations against the list, and their names against each other.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let list = files.iter().find(|file| file.path == LIST);
    let listed: Vec<(usize, &str, &str)> = list.map(listed).unwrap_or_default();
    let mut findings = Vec::new();
    let mut next = BTreeMap::new();
    for file in migrations(files) {
        let name = file.path.strip_prefix(FOLDER).unwrap_or(&file.path);
        match listed.iter().find(|(_, _, path)| *path == name) {
            None => {
                let mend = "when it is final: cargo xtask tidy --bless-migrations";
                findings.push(Finding::new(
                    &file.path,
                    1,
                    "the migration is not in the list of checksums",
                    mend,
                ));
            }
            Some((_, sum, _)) if *sum != sha256_hex(file.text.as_bytes()) => {
                let mend = "take the edit back and write it as a new migration";
                findings.push(Finding::new(
                    &file.path,
                    1,
                    "the migration was edited after it was blessed",
                    mend,
                ));
            }
            Some(_) => {}
        }
        let (folder, name) = name.split_once('/').unwrap_or(("", name));
        let expected: &mut u32 = next.entry(folder).or_insert(1);
        if number(name) != Some(*expected) {
            let what = format!("the migration is not named {expected:04}_<lower_case_name>.sql");
            findings.push(Finding::new(&file.path, 1, what, "number migrations without gaps, from 0001"));
        }
        *expected = expected.saturating_add(1);
    }
    for (line, _, path) in listed {
        if !files.iter().any(|file| file.path.strip_prefix(FOLDER) == Some(path)) {
            findings.push(Finding::new(
                LIST,
                line,
                format!("the migration {path} is gone"),
                "bring the file back",
            ));
        }
    }
    findings
}

/// Adds the migrations that are not in the list to its end, and says which.
pub(super) fn bless(root: &Path) -> Result<Vec<String>> {
    let files = repository::read(root)?;
    let list = files.iter().find(|file| file.path == LIST);
    let known = list.map(listed).unwrap_or_default();
    let mut text = list.map(|file| file.text.clone()).unwrap_or_default();
    let mut blessed = Vec::new();
    for file in migrations(&files) {
        let name = file.path.strip_prefix(FOLDER).unwrap_or(&file.path);
        if !known.iter().any(|(_, _, path)| *path == name) {
            writeln!(text, "{}  {name}", sha256_hex(file.text.as_bytes()))?;
            blessed.push(name.to_owned());
        }
    }
    if !blessed.is_empty() {
        fs::write(root.join(LIST), text).with_context(|| format!("writing {LIST}"))?;
    }
    Ok(blessed)
}

/// The migrations, in order.
fn migrations(files: &[TextFile]) -> impl Iterator<Item = &TextFile> {
    files.iter().filter(|file| file.path.starts_with(FOLDER) && file.path.ends_with(".sql"))
}

/// The lines of the list: number, checksum, path.
fn listed(list: &TextFile) -> Vec<(usize, &str, &str)> {
    list.lines()
        .filter_map(|(line, text)| text.split_once("  ").map(|(sum, path)| (line, sum, path)))
        .collect()
}

/// The number in front of a well-formed name.
fn number(name: &str) -> Option<u32> {
    let (number, rest) = name.strip_suffix(".sql")?.split_once('_')?;
    let is_name =
        !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    (number.len() == 4 && is_name).then(|| number.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn found(files: &[TextFile]) -> Vec<String> {
        check(files).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn an_edited_a_new_and_a_lost_migration_are_found() {
        let first = file("crates/store/sql/migrations/sqlite/0001_start.sql", "create table a;\n");
        let second = file("crates/store/sql/migrations/sqlite/0002_more.sql", "create table b;\n");
        let list = file(LIST, &format!("{}  sqlite/0001_start.sql\n", sha256_hex(b"create table a;\n")));
        assert!(found(&[first.clone(), list.clone()]).is_empty());
        assert_eq!(
            found(&[first.clone(), second, list.clone()]),
            ["the migration is not in the list of checksums"]
        );
        let edited = TextFile { text: "create table c;\n".to_owned(), ..first };
        assert_eq!(found(&[edited, list.clone()]), ["the migration was edited after it was blessed"]);
        assert_eq!(found(&[list]), ["the migration sqlite/0001_start.sql is gone"]);
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        assert_eq!(number("0007_hooks_2.sql"), Some(7));
        for wrong in ["7_hooks.sql", "0007.sql", "0007_.sql", "0007_Hooks.sql", "0007-hooks.sql"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
        let list = file(LIST, &format!("{}  sqlite/0002_b.sql\n", sha256_hex(b"b")));
        let gap = file("crates/store/sql/migrations/sqlite/0002_b.sql", "b");
        assert_eq!(found(&[gap, list]).len(), 1);
    }

    #[test]
    fn blessing_only_appends() {
        let folder = tempfile::tempdir().unwrap();
        let migrations = folder.path().join(FOLDER).join("sqlite");
        fs::create_dir_all(&migrations).unwrap();
        fs::write(migrations.join("0001_start.sql"), "a").unwrap();
        assert_eq!(bless(folder.path()).unwrap(), ["sqlite/0001_start.sql"]);
        fs::write(migrations.join("0001_start.sql"), "edited").unwrap();
        fs::write(migrations.join("0002_more.sql"), "b").unwrap();
        assert_eq!(bless(folder.path()).unwrap(), ["sqlite/0002_more.sql"]);
        let files = repository::read(folder.path()).unwrap();
        assert_eq!(found(&files), ["the migration was edited after it was blessed"]);
    }
}
