//! All checks that must pass before a change is merged, in one command.
//!
//! A failed step does not stop the later steps: one run reports all problems. The last printed line is `N passed, N
//! failed`: every test of nextest, every documentation test, every check of the interoperability tests, and every
//! failed step without tests.

use crate::interop;
use crate::junit::{self, Test};
use crate::repository::{self, TextFile};
use crate::terminal::{now, print_line};
use crate::tidy;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Number of slowest tests that are listed.
const SLOWEST: usize = 10;

/// Result of the checks of one step.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Number of passed checks.
    pub(crate) passed: usize,
    /// Number of failed checks.
    pub(crate) failed: usize,
}

impl Counts {
    /// Returns the count of a step without tests: zero if it passed, one failure otherwise.
    fn of_step(went_well: bool) -> Self {
        Self { passed: 0, failed: usize::from(!went_well) }
    }
}

/// A completed step.
struct Done {
    name: &'static str,
    took: Duration,
    counts: Counts,
}

/// Runs all steps; returns `true` if all of them passed.
pub(crate) fn run() -> bool {
    let root = repository::root();
    let mut slowest = Vec::new();
    let done = [
        step("format", || cargo(&root, &["fmt", "--all", "--check"], &[])),
        step("clippy", || {
            cargo(&root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"], &[])
        }),
        step("tests", || nextest(&root, &mut slowest)),
        step("interoperability", || interop::check(&root)),
        step("documentation tests", || doc_tests(&root)),
        step("documentation", || {
            let arguments = ["doc", "--workspace", "--no-deps", "--document-private-items", "--locked"];
            cargo(&root, &arguments, &[("RUSTDOCFLAGS", "-D warnings")])
        }),
        step("dependencies", || {
            cargo(&root, &["deny", "--offline", "--locked", "check", "licenses", "bans", "sources"], &[])
        }),
        step("tidy", || tidy::run(false).map(|()| Counts::default())),
    ];
    close(&done, &slowest)
}

/// Prints the durations and the last line; returns `true` if nothing failed.
fn close(done: &[Done], slowest: &[Test]) -> bool {
    print_line("\nslowest tests");
    for test in slowest {
        print_line(format_args!("{:>9.3} s  {}", test.seconds, test.name));
    }
    print_line("\nsteps");
    for Done { name, took, counts } in done {
        let end = if counts.failed == 0 { "ok" } else { "FAILED" };
        print_line(format_args!("{:>9.1} s  {name}: {end}", took.as_secs_f64()));
    }
    let passed: usize = done.iter().map(|step| step.counts.passed).sum();
    let failed: usize = done.iter().map(|step| step.counts.failed).sum();
    print_line("");
    print_line(format_args!("{passed} passed, {failed} failed"));
    failed == 0
}

/// Runs one step and measures its duration; an error is a failed step.
fn step(name: &'static str, work: impl FnOnce() -> Result<Counts>) -> Done {
    print_line(format_args!("\n== {name}"));
    let start = now();
    let counts = work().unwrap_or_else(|error| {
        print_line(format_args!("{name}: {error:#}"));
        Counts::of_step(false)
    });
    Done { name, took: start.elapsed(), counts }
}

/// Runs cargo and shows its output.
fn cargo(root: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Result<Counts> {
    let status = Command::new("cargo")
        .args(arguments)
        .envs(environment.iter().copied())
        .current_dir(root)
        .status()
        .with_context(|| format!("running cargo {}", arguments.join(" ")))?;
    Ok(Counts::of_step(status.success()))
}

/// Runs all tests and reads nextest's report.
fn nextest(root: &Path, slowest: &mut Vec<Test>) -> Result<Counts> {
    // nextest writes below the workspace, also if `CARGO_TARGET_DIR` names another folder.
    let report = root.join("target/nextest/default/junit.xml");
    if report.exists() {
        fs::remove_file(&report).context("removing the report of the run before")?;
    }
    let run = cargo(root, &["nextest", "run", "--workspace", "--locked"], &[])?;
    let xml = fs::read_to_string(&report).context("reading nextest's report; did the tests compile?")?;
    let mut tests = junit::tests(&xml);
    let failed = tests.iter().filter(|test| !test.passed).count();
    let counts = Counts { passed: tests.len().saturating_sub(failed), failed };
    if counts.passed == 0 {
        bail!("no test passed");
    }
    tests.sort_by(|left, right| right.seconds.total_cmp(&left.seconds));
    tests.truncate(SLOWEST);
    *slowest = tests;
    // nextest can fail for another reason than a failed test.
    Ok(Counts { failed: counts.failed.max(run.failed), ..counts })
}

/// Runs the documentation tests, if there are any, and adds up their results.
fn doc_tests(root: &Path) -> Result<Counts> {
    if !has_doc_tests(&repository::read(root)?) {
        return Ok(Counts::default());
    }
    let output = Command::new("cargo")
        .args(["test", "--doc", "--workspace", "--locked"])
        .current_dir(root)
        .stderr(Stdio::inherit())
        .output()
        .context("running the documentation tests")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print_line(&text);
    let counts = harness_counts(&text);
    Ok(Counts { failed: counts.failed.max(usize::from(!output.status.success())), ..counts })
}

/// Adds up the closing lines of libtest: `test result: ok. 3 passed; 0 failed; …`.
fn harness_counts(text: &str) -> Counts {
    let mut counts = Counts::default();
    for line in text.lines().filter(|line| line.starts_with("test result:")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        for pair in words.windows(2) {
            if let [number, word] = pair {
                let number: usize = number.parse().unwrap_or(0);
                match word.trim_end_matches(';') {
                    "passed" => counts.passed = counts.passed.saturating_add(number),
                    "failed" => counts.failed = counts.failed.saturating_add(number),
                    _ => {}
                }
            }
        }
    }
    counts
}

/// Returns `true` if the documentation of a library contains code that rustdoc runs.
fn has_doc_tests(files: &[TextFile]) -> bool {
    files.iter().filter(|file| file.is_rust() && !file.is_test()).any(|file| {
        let mut in_fence = false;
        file.text.lines().any(|line| {
            let line = line.trim_start();
            let Some(rest) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
                in_fence = false;
                return false;
            };
            let Some(kind) = rest.trim_start().strip_prefix("```") else { return false };
            in_fence = !in_fence;
            let runs = ["", "rust", "should_panic", "no_run", "compile_fail"];
            in_fence && runs.contains(&kind.split(',').next().unwrap_or_default().trim())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_added_up() {
        let text = "running 2 tests\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured\n\
                    test result: FAILED. 1 passed; 3 failed; 0 ignored\n";
        assert_eq!(harness_counts(text), Counts { passed: 3, failed: 3 });
    }

    #[test]
    fn documentation_tests_are_found() {
        let file =
            |text: &str| [TextFile { path: "crates/domain/src/a.rs".to_owned(), text: text.to_owned() }];
        assert!(has_doc_tests(&file("/// Adds.\n///\n/// ```\n/// add(1, 2);\n/// ```\nfn add() {}\n")));
        assert!(!has_doc_tests(&file("//! Looks so:\n//! ```text\n//! a\n//! ```\nfn add() {}\n")));
    }
}
