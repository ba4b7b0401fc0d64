//! The table of our crates: which of ours each may use, which names it must not list, how long it may grow.
//!
//! The table is the architecture: `domain` ← `engine` ← { `store`, `graph`, `egress`, `blobs` } ← `waypost`. Adapters do
//! not see each other, and `sim` sees nobody, so that two readings of Meta's documents can check each other.

use super::{Finding, line_of};
use crate::repository::TextFile;
use crate::tidy::tree::{Metadata, Package};

/// One row of the table.
struct Row {
    /// The package's name.
    name: &'static str,
    /// Its folder.
    folder: &'static str,
    /// Our crates that it may use.
    ours: &'static [&'static str],
    /// Our crates that its tests may use besides.
    ours_in_tests: &'static [&'static str],
    /// Names that must not be among its dependencies; its tests may have them.
    forbidden: &'static [&'static str],
    /// The most lines it may have below `src`, its inline tests left out.
    lines: usize,
    /// A higher ceiling, and why a split would be worse; set in the change that needs it.
    raised: Option<(usize, &'static str)>,
}

impl Row {
    /// The ceiling that holds.
    fn ceiling(&self) -> usize {
        self.raised.map_or(self.lines, |(lines, _)| lines)
    }
}

/// One row for each of our crates.
const TABLE: [Row; 9] = [
    Row {
        name: "domain",
        folder: "crates/domain",
        ours: &[],
        ours_in_tests: &[],
        forbidden: &[
            "async-trait",
            "axum",
            "hyper",
            "hyper-util",
            "rand",
            "reqwest",
            "rusqlite",
            "serde_json",
            "tokio",
            "tokio-postgres",
            "tokio-util",
            "tracing",
            "tracing-subscriber",
        ],
        lines: 6_000,
        raised: Some((
            14_500,
            "most of it is the kinds of messages, templates and events with their limits: one rule book, \
             which a border would only cut in two",
        )),
    },
    Row {
        name: "engine",
        folder: "crates/engine",
        ours: &["domain"],
        ours_in_tests: &[],
        forbidden: &["axum", "hyper", "hyper-util", "rand", "reqwest", "rusqlite", "tokio-postgres"],
        lines: 6_000,
        raised: Some((
            15_000,
            "one file a use case, each small: a second crate would only part those that share the ports",
        )),
    },
    Row {
        name: "store",
        folder: "crates/store",
        ours: &["domain", "engine"],
        ours_in_tests: &[],
        forbidden: &["axum", "hyper", "hyper-util", "rand", "reqwest"],
        lines: 6_000,
        raised: Some((17_000, "statements and row structs of every port; one file per table or job")),
    },
    Row {
        name: "graph",
        folder: "crates/graph",
        ours: &["domain", "engine"],
        ours_in_tests: &["sim"],
        forbidden: &["axum", "rand", "rusqlite", "tokio-postgres"],
        lines: 5_000,
        raised: None,
    },
    Row {
        name: "blobs",
        folder: "crates/blobs",
        ours: &["domain", "engine"],
        ours_in_tests: &[],
        forbidden: &["axum", "rand", "reqwest", "rusqlite", "tokio-postgres"],
        lines: 1_000,
        raised: None,
    },
    Row {
        name: "egress",
        folder: "crates/egress",
        ours: &["domain", "engine"],
        ours_in_tests: &[],
        forbidden: &["axum", "rand", "rusqlite", "tokio-postgres"],
        lines: 2_000,
        raised: None,
    },
    Row {
        name: "waypost",
        folder: "crates/server",
        ours: &["blobs", "domain", "engine", "graph", "egress", "sim", "store"],
        ours_in_tests: &[],
        forbidden: &["reqwest"],
        lines: 12_000,
        raised: Some((
            27_000,
            "the whole API, the command line and the settings: one handler a route, one file a resource",
        )),
    },
    Row {
        name: "sim",
        folder: "crates/sim",
        ours: &[],
        ours_in_tests: &[],
        forbidden: &["rand"],
        lines: 5_000,
        raised: Some((
            11_000,
            "it shares no code with the gateway on purpose, so the whole of Meta's rules stands here a second time",
        )),
    },
    Row {
        name: "xtask",
        folder: "xtask",
        ours: &[],
        ours_in_tests: &[],
        forbidden: &[],
        lines: 5_000,
        raised: Some((7_500, "checks, benchmarks and chaos run of the repository, each in files of its own")),
    },
];

/// Holds every dependency that our crates declare against the table.
pub(super) fn check_dependencies(metadata: &Metadata, files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let members: Vec<&Package> = metadata.members().collect();
    let is_ours = |name: &str| members.iter().any(|member| member.name == name);
    for package in &members {
        let Some(row) = TABLE.iter().find(|row| row.name == package.name) else {
            findings.push(Finding::new(
                "xtask/src/tidy/crates.rs",
                1,
                format!("the crate `{}` is not in the table of crates", package.name),
                "add its row: what it may use, what it must not name, how long it may grow",
            ));
            continue;
        };
        let manifest = format!("{}/Cargo.toml", row.folder);
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let in_tests = dependency.kind.as_deref() == Some("dev");
            let line = line_of(files, &manifest, name);
            let can_use_account = row.ours.contains(&name) || (in_tests && row.ours_in_tests.contains(&name));
            if is_ours(name) && !can_use_account {
                findings.push(Finding::new(
                    &manifest,
                    line,
                    format!("`{}` must not use `{name}`", row.name),
                    "move the code to where the arrow allows it, or pass a value or a port instead",
                ));
            }
            if !in_tests && row.forbidden.contains(&name) {
                findings.push(Finding::new(
                    &manifest,
                    line,
                    format!("`{}` must not depend on `{name}`", row.name),
                    "put what needs it into an adapter, behind a port",
                ));
            }
        }
    }
    findings
}

/// Holds the length of each crate against its ceiling.
pub(super) fn check_sizes(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in &TABLE {
        let source = format!("{}/src/", row.folder);
        let lines: usize = files
            .iter()
            .filter(|file| file.is_rust() && file.path.starts_with(&source) && !file.is_test())
            .map(|file| file.text.lines().count().min(file.tests_start()))
            .sum();
        if lines > row.ceiling() {
            findings.push(Finding::new(
                &format!("{}/Cargo.toml", row.folder),
                1,
                format!("`{}` has {lines} lines, its ceiling is {}", row.name, row.ceiling()),
                "make it shorter, or set `raised` in xtask/src/tidy/crates.rs with a sentence why",
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tree::Dependency;

    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        Package {
            id: name.to_owned(),
            name: name.to_owned(),
            dependencies: dependencies
                .iter()
                .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: kind.map(str::to_owned) })
                .collect(),
        }
    }

    fn found(packages: Vec<Package>) -> Vec<String> {
        let workspace_members = packages.iter().map(|package| package.id.clone()).collect();
        let metadata = Metadata { packages, workspace_members };
        check_dependencies(&metadata, &[]).into_iter().map(|finding| finding.what).collect()
    }

    #[test]
    fn arrows_point_inwards() {
        let wrong = found(vec![
            package("domain", &[]),
            package("engine", &[("domain", None)]),
            package("store", &[("engine", None), ("graph", None)]),
            package("graph", &[("sim", Some("dev"))]),
            package("sim", &[("domain", None)]),
        ]);
        assert_eq!(wrong, ["`store` must not use `graph`", "`sim` must not use `domain`"]);
    }

    #[test]
    fn names_outside_the_row_are_refused_but_for_tests() {
        let wrong =
            found(vec![package("domain", &[("tokio", None), ("serde_json", Some("dev")), ("uuid", None)])]);
        assert_eq!(wrong, ["`domain` must not depend on `tokio`"]);
    }

    #[test]
    fn a_new_crate_needs_a_row() {
        assert_eq!(
            found(vec![package("billing", &[])]),
            ["the crate `billing` is not in the table of crates"]
        );
    }

    #[test]
    fn a_raised_ceiling_has_a_reason() {
        for row in &TABLE {
            assert!(
                row.raised.is_none_or(|(lines, why)| lines > row.lines && why.len() > 40),
                "{}",
                row.name
            );
        }
    }

    #[test]
    fn inline_tests_do_not_count_towards_the_ceiling() {
        let text = format!("{}#[cfg(test)]\n{}", "x\n".repeat(1_000), "y\n".repeat(9_000));
        let file = TextFile { path: "crates/egress/src/lib.rs".to_owned(), text };
        assert!(check_sizes(std::slice::from_ref(&file)).is_empty());
        let long = TextFile { text: "x\n".repeat(2_001), ..file };
        assert_eq!(check_sizes(&[long]).len(), 1);
    }
}
