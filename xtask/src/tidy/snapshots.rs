//! Snapshot files that no test reads any more.

use super::Finding;
use crate::repository::TextFile;

/// Every file in a folder `snapshots` is named in a source of its package.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.contains("/snapshots/")) {
        let Some(package) = file.package() else { continue };
        let name = file.path.rsplit('/').next().unwrap_or_default();
        let stem = name.split('.').next().unwrap_or(name);
        // A name may be put together in the test: then its stem stands there as a string of its own.
        let quoted = format!("\"{stem}\"");
        let is_used = files
            .iter()
            .filter(|other| other.is_rust() && other.package() == Some(package))
            .any(|other| other.text.contains(name) || other.text.contains(&quoted));
        if !is_used {
            findings.push(Finding::new(&file.path, 1, "no test reads this snapshot", "delete the file"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_nobody_reads_is_found() {
        let file = |path: &str, text: &str| TextFile { path: path.to_owned(), text: text.to_owned() };
        let test = file(
            "crates/server/tests/it/pages.rs",
            "expect_file![\"snapshots/home.html\"]; page(\"login\");\n",
        );
        let home = file("crates/server/tests/it/snapshots/home.html", "");
        let login = file("crates/server/tests/it/snapshots/login.html", "");
        let old = file("crates/server/tests/it/snapshots/old.html", "");
        let found: Vec<String> =
            check(&[test, home, login, old]).into_iter().map(|finding| finding.path).collect();
        assert_eq!(found, ["crates/server/tests/it/snapshots/old.html"]);
    }
}
