//! The files of the repository, read once and passed to the rules.

use anyhow::{Context, Result};
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Folders that contain no files of the repository.
const SKIPPED: [&str; 5] = [".git", "target", "node_modules", ".waypost", "__pycache__"];

/// A text file of the repository.
#[derive(Debug, Clone)]
pub(crate) struct TextFile {
    /// Path from the root, with `/` as the separator.
    pub(crate) path: String,
    /// Text of the file.
    pub(crate) text: String,
}

impl TextFile {
    /// Returns `true` for a Rust file.
    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Returns `true` if the whole file is test code.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs") || self.path.contains("/benches/")
    }

    /// Returns the lines with their numbers, from one.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index.saturating_add(1), line))
    }

    /// Returns the line number at which the inline test module begins; a number past the end if there is none.
    ///
    /// An unindented `#[cfg(test)]` always begins the last module of a file.
    pub(crate) fn tests_start(&self) -> usize {
        self.lines()
            .find(|(_, line)| line.starts_with("#[cfg(test)]"))
            .map_or(usize::MAX, |(number, _)| number)
    }

    /// Returns the folder of the package of the file (`crates/store`, `xtask`), if it belongs to a package.
    pub(crate) fn package(&self) -> Option<&str> {
        if self.path.starts_with("xtask/") {
            return Some("xtask");
        }
        let rest = self.path.strip_prefix("crates/")?;
        let name = rest.split('/').next()?;
        self.path.get(.."crates/".len().saturating_add(name.len()))
    }
}

/// Returns the root folder of the repository.
pub(crate) fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Returns cargo's target directory.
pub(crate) fn target_directory(root: &Path) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked"])
        .current_dir(root)
        .output()
        .context("running cargo metadata")?;
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("reading what cargo metadata printed")?;
    Ok(metadata.target_directory)
}

/// Reads all text files below `root`, in a fixed order; files that are not UTF-8 are skipped.
pub(crate) fn read(root: &Path) -> Result<Vec<TextFile>> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("reading the folder {}", folder.display()))?;
        for entry in entries {
            let path = entry.with_context(|| format!("reading the folder {}", folder.display()))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            if path.is_symlink() || SKIPPED.contains(&name.as_str()) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let Some(file) = read_one(root, &path) {
                files.push(file);
            }
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(files)
}

/// Reads one file; returns `None` if the file is binary or was deleted.
fn read_one(root: &Path, path: &Path) -> Option<TextFile> {
    let bytes = fs::read(path).ok()?;
    if bytes.contains(&0) {
        return None;
    }
    let text = String::from_utf8(bytes).ok()?;
    let path = path.strip_prefix(root).ok()?.to_string_lossy().replace('\\', "/");
    Some(TextFile { path, text })
}
