//! Rules for a single source file.

use super::Finding;
use crate::repository::TextFile;

/// The most lines of a file below `src`.
const LINES: usize = 500;

/// The most lines of a file of tests.
const TEST_LINES: usize = 900;

/// Words that say that something is not finished. Put together here so that this file does not hold them.
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("to", "do!(")];

/// Ways of waiting for wall-clock time.
const SLEEPS: [&str; 2] = [concat!("thread::", "sleep("), concat!("time::", "sleep(")];

/// Doors to the outside world, which `domain` and `engine` do not have; their names as they stand in code.
const OUTSIDE: [&str; 8] = [
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::process",
    "tokio::fs",
    "tokio::net",
    "tokio::process",
    "std::thread::spawn",
];

/// Runs the rules over every file.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        unfinished(file, &mut findings);
        if file.is_rust() && file.package().is_some() {
            length(file, &mut findings);
            opening(file, &mut findings);
            ignored(file, &mut findings);
            sleeps(file, &mut findings);
            async_trait(file, &mut findings);
            outside(file, &mut findings);
        }
    }
    findings
}

/// No word of things left undone.
fn unfinished(file: &TextFile, findings: &mut Vec<Finding>) {
    let is_source = [".rs", ".sql", ".toml", ".py", ".sh", ".html", ".js", ".css"]
        .iter()
        .any(|end| file.path.ends_with(end))
        || file.path == "test"
        || file.path == ".ci/run";
    if !is_source {
        return;
    }
    for (number, line) in file.lines() {
        if let Some(word) = UNFINISHED.iter().find(|word| line.contains(**word)) {
            let mend =
                "do it, or write it into an issue or under \"Known quirks\" of the document of the matter";
            findings.push(Finding::new(&file.path, number, format!("`{word}` in a source"), mend));
        }
    }
}

/// No file that one cannot keep in one's head.
fn length(file: &TextFile, findings: &mut Vec<Finding>) {
    let lines = file.text.lines().count();
    let most = if file.is_test() { TEST_LINES } else { LINES };
    if lines > most {
        let what = format!("{lines} lines, the most is {most}");
        findings.push(Finding::new(
            &file.path,
            most,
            what,
            "split it where its parts can be explained alone",
        ));
    }
}

/// Every module opens with what it is.
fn opening(file: &TextFile, findings: &mut Vec<Finding>) {
    if file.is_test() || !file.path.contains("/src/") {
        return;
    }
    let first = file.lines().find(|(_, line)| !line.trim().is_empty() && !line.starts_with("#!["));
    if first.is_none_or(|(_, line)| !line.starts_with("//!")) {
        let number = first.map_or(1, |(number, _)| number);
        let mend = "open the file with `//!`: what the module is, then its invariants";
        findings.push(Finding::new(&file.path, number, "the module does not say what it is", mend));
    }
}

/// No test that nobody runs.
fn ignored(file: &TextFile, findings: &mut Vec<Finding>) {
    let words = [concat!("#[", "ignore"), concat!(", ", "ignore)]")];
    for (number, line) in file.lines() {
        let line = line.trim_start();
        if line.starts_with("#[") && words.iter().any(|word| line.contains(word)) {
            findings.push(Finding::new(&file.path, number, "an ignored test", "make it run or delete it"));
        }
    }
}

/// No test waits for the clock on the wall, but for those that start processes.
fn sleeps(file: &TextFile, findings: &mut Vec<Finding>) {
    let is_process = file.path.contains("/tests/process");
    if is_process {
        return;
    }
    let tests_start = if file.is_test() { 0 } else { file.tests_start() };
    for (number, line) in file.lines().filter(|(number, _)| *number >= tests_start) {
        if SLEEPS.iter().any(|sleep| line.contains(sleep)) {
            let mend = "move the test's clock and call `tick`, or wait for the event itself; only tests/process may wait";
            findings.push(Finding::new(&file.path, number, "a test sleeps", mend));
        }
    }
}

/// `async_trait` is for the ports of `engine` and for what implements them; a test's doubles may have traits of their own.
fn async_trait(file: &TextFile, findings: &mut Vec<Finding>) {
    let attribute = concat!("#[async", "_trait");
    let is_ports =
        file.path == "crates/engine/src/ports/mod.rs" || file.path.starts_with("crates/engine/src/ports/");
    if is_ports || file.is_test() {
        return;
    }
    let may_implement =
        ["crates/blobs/", "crates/store/", "crates/graph/", "crates/egress/", "crates/server/"]
            .iter()
            .any(|folder| file.path.starts_with(folder));
    let tests_start = file.tests_start();
    let mut lines = file.lines();
    while let Some((number, line)) = lines.next() {
        let line = line.trim_start();
        if !line.starts_with(attribute) && !line.starts_with(concat!("#[async", "_trait::async", "_trait")) {
            continue;
        }
        let item = lines.by_ref().map(|(_, line)| line.trim_start()).find(|line| !line.starts_with("#["));
        let is_impl = item.is_some_and(|item| item.starts_with("impl"));
        if !is_impl || !(may_implement || number >= tests_start) {
            let mend = "declare the trait in engine::ports and implement it in an adapter; elsewhere use a plain function";
            findings.push(Finding::new(
                &file.path,
                number,
                "async_trait outside the ports and their adapters",
                mend,
            ));
        }
    }
}

/// `domain` and `engine` touch nothing but memory.
fn outside(file: &TextFile, findings: &mut Vec<Finding>) {
    let is_inner = file.path.starts_with("crates/domain/src/") || file.path.starts_with("crates/engine/src/");
    if !is_inner || file.is_test() {
        return;
    }
    let tests_start = file.tests_start();
    for (number, line) in file.lines().filter(|(number, _)| *number < tests_start) {
        if line.trim_start().starts_with("//") {
            continue;
        }
        if let Some(door) = OUTSIDE.iter().find(|door| line.contains(**door)) {
            let what = format!("`{door}` inside the walls of domain and engine");
            findings.push(Finding::new(&file.path, number, what, "put it into an adapter, behind a port"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<(usize, String)> {
        let file = TextFile { path: path.to_owned(), text: text.to_owned() };
        check(&[file]).into_iter().map(|finding| (finding.line, finding.what)).collect()
    }

    fn lines(path: &str, text: &str) -> Vec<usize> {
        found(path, text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn unfinished_work_is_found_in_sources_only() {
        let text = format!("//! A.\n// {}: later\n", UNFINISHED[0]);
        assert_eq!(lines("crates/store/src/a.rs", &text), [2]);
        assert_eq!(lines("crates/store/sql/a.sql", &text), [2]);
        assert!(lines("docs/a.md", &text).is_empty());
    }

    #[test]
    fn long_files_are_found() {
        let text = format!("//! A.\n{}", "x();\n".repeat(700));
        assert_eq!(lines("crates/store/src/a.rs", &text), [500]);
        assert!(lines("crates/store/tests/it/a.rs", &text).is_empty());
        assert_eq!(lines("crates/store/tests/it/a.rs", &text.repeat(2)), [900]);
    }

    #[test]
    fn a_module_says_what_it_is() {
        assert_eq!(lines("crates/store/src/a.rs", "use std::fmt;\n"), [1]);
        assert!(lines("crates/store/src/a.rs", "#![forbid(x)]\n\n//! What it is.\n").is_empty());
        assert!(lines("crates/store/tests/it/a.rs", "use std::fmt;\n").is_empty());
    }

    #[test]
    fn ignored_tests_are_found() {
        let text = format!("//! A.\n{} = \"slow\"]\nfn a() {{}}\n", concat!("#[", "ignore"));
        assert_eq!(lines("crates/store/src/a.rs", &text), [2]);
    }

    #[test]
    fn tests_do_not_sleep_unless_they_start_processes() {
        let sleep = format!("std::{}x);\n", SLEEPS[0]);
        assert_eq!(lines("crates/store/tests/it/a.rs", &sleep), [1]);
        assert!(lines("crates/server/tests/process/a.rs", &sleep).is_empty());
        assert!(lines("crates/server/src/a.rs", &format!("//! A.\n{sleep}")).is_empty());
        assert_eq!(
            lines("crates/server/src/a.rs", &format!("//! A.\n#[cfg(test)]\nmod tests {{\n{sleep}")),
            [4]
        );
    }

    #[test]
    fn async_trait_is_for_ports_and_adapters() {
        let attribute = concat!("#[async", "_trait]\n");
        let port = format!("//! A.\n{attribute}pub trait Store {{}}\n");
        let adapter = format!("//! A.\n{attribute}impl Store for Sqlite {{}}\n");
        assert!(lines("crates/engine/src/ports/store.rs", &port).is_empty());
        assert_eq!(lines("crates/engine/src/deliver.rs", &port), [2]);
        assert_eq!(lines("crates/engine/src/deliver.rs", &adapter), [2]);
        assert_eq!(lines("crates/store/src/sqlite.rs", &port), [2]);
        assert!(lines("crates/store/src/sqlite.rs", &adapter).is_empty());
        assert!(lines("crates/engine/tests/it/fakes.rs", &adapter).is_empty());
    }

    #[test]
    fn the_inner_crates_have_no_doors() {
        let text =
            "//! A.\n// std::fs is not for us\nuse tokio::net::TcpStream;\n#[cfg(test)]\nuse std::fs;\n";
        assert_eq!(lines("crates/engine/src/a.rs", text), [3]);
        assert!(lines("crates/server/src/a.rs", text).is_empty());
    }
}
