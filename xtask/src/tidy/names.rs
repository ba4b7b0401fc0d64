//! Names and sentences: one word for one thing, and no name that was given up comes back.
//!
//! The names that were given up are the first column of the table in [`RENAMED`]; a cell holds one or more names in
//! backticks. A name with an upper-case initial is forbidden as the name of a type, any other as an identifier or a file.

use super::Finding;
use crate::repository::TextFile;
use std::collections::{BTreeMap, BTreeSet};

/// The document that lists the names that were given up, and what replaced them.
const RENAMED: &str = "docs/decisions/0014-standard-names.md";

/// Words that a doc comment does not begin with.
const FIRST_WORDS: [&str; 11] =
    ["What", "Whatever", "Whether", "Who", "Whom", "Whose", "How", "When", "Where", "Why", "Which"];

/// A paper that readers of this repository do not have. Put together here so that this file does not hold it.
const PAPER: &str = concat!("http-api", ".md");

/// Citation of another such paper: this, and a section such as `C.6`.
const SECTION_OF: &str = concat!("refer", "ence ");

/// Kinds of items whose names are types.
const TYPES: [&str; 5] = ["struct", "enum", "trait", "type", "union"];

/// Runs the rules over every file.
pub(super) fn check(files: &[TextFile]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let renamed = renamed(files);
    if renamed.is_empty() {
        let fix = "keep the table of names that were given up";
        findings.push(Finding::new(RENAMED, 1, "there is no table of names that were given up", fix));
    }
    for file in files {
        old_names(file, &renamed, &mut findings);
        if file.is_rust() && file.package().is_some() {
            first_words(file, &mut findings);
            papers(file, &mut findings);
            file_name(file, &mut findings);
        }
    }
    twice(files, &mut findings);
    findings
}

/// Reads the first column of the table of names.
fn renamed(files: &[TextFile]) -> BTreeSet<String> {
    let Some(file) = files.iter().find(|file| file.path == RENAMED) else { return BTreeSet::new() };
    let mut names = BTreeSet::new();
    for (_, line) in file.lines() {
        let Some(cell) = line.strip_prefix('|').and_then(|rest| rest.split('|').next()) else { continue };
        names.extend(cell.split('`').skip(1).step_by(2).map(str::to_owned));
    }
    names
}

/// No name that was given up comes back.
fn old_names(file: &TextFile, renamed: &BTreeSet<String>, findings: &mut Vec<Finding>) {
    let is_source = [".rs", ".sql", ".py", ".js", ".sh"].iter().any(|end| file.path.ends_with(end));
    let is_ours = file.package().is_some_and(|package| package != "crates/sim");
    if !is_source || !is_ours {
        return;
    }
    for (number, line) in file.lines() {
        let code = code(line);
        let mut before = "";
        for word in words(code) {
            let is_type = word.starts_with(|letter: char| letter.is_ascii_uppercase());
            let is_old = renamed.contains(word) && (!is_type || TYPES.contains(&before));
            if is_old {
                let what = format!("the name `{word}` was given up");
                let fix = format!("use the name that replaced it: {RENAMED}");
                findings.push(Finding::new(&file.path, number, what, fix));
            }
            before = word;
        }
    }
}

/// The part of a line before a comment.
fn code(line: &str) -> &str {
    line.find("//").and_then(|start| line.get(..start)).unwrap_or(line)
}

/// The identifiers of a line.
fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty())
}

/// A doc comment begins with a noun phrase or a verb.
fn first_words(file: &TextFile, findings: &mut Vec<Finding>) {
    let mut is_first = true;
    for (number, line) in file.lines() {
        let line = line.trim_start();
        let Some(text) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            is_first = true;
            continue;
        };
        let first = words(text).next().unwrap_or_default();
        if is_first && FIRST_WORDS.contains(&first) {
            let what = format!("a doc comment begins with \"{first}\"");
            let fix = "begin with a noun phrase or a verb: \"Number of …\", \"Returns …\", \"`true` if …\"";
            findings.push(Finding::new(&file.path, number, what, fix));
        }
        is_first = false;
    }
}

/// A comment cites only what its reader can open.
fn papers(file: &TextFile, findings: &mut Vec<Finding>) {
    for (number, line) in file.lines() {
        if line.contains(PAPER) || cites_section(line) {
            let what = "a paper is cited that is not in the repository";
            let fix = "state the fact, or cite Meta's page by title and address";
            findings.push(Finding::new(&file.path, number, what, fix));
        }
    }
}

/// `true` if a line cites a section such as `C.6` or `J` of a paper.
fn cites_section(line: &str) -> bool {
    line.split(SECTION_OF).skip(1).any(|rest| {
        let mut letters = rest.chars();
        letters.next().is_some_and(|letter| letter.is_ascii_uppercase())
            && letters.next().is_none_or(|letter| matches!(letter, '.' | ')' | ',' | ' '))
    })
}

/// A file is named for its subject, not for what did not fit elsewhere.
fn file_name(file: &TextFile, findings: &mut Vec<Finding>) {
    if file.path.ends_with(concat!("_port", ".rs")) || file.path.ends_with(concat!("/port", ".rs")) {
        let fix = "name the file for the subject that the port serves";
        findings.push(Finding::new(&file.path, 1, "a file is named for being a port", fix));
    }
}

/// One public type name means one thing.
fn twice(files: &[TextFile], findings: &mut Vec<Finding>) {
    let mut places: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for file in files {
        let is_ours = file.package().is_some_and(|package| !matches!(package, "crates/sim" | "xtask"));
        if !file.is_rust() || file.is_test() || !is_ours || !file.path.contains("/src/") {
            continue;
        }
        for (number, line) in file.lines().take_while(|(number, _)| *number < file.tests_start()) {
            if let Some(name) = public_type(line) {
                places.entry(name).or_default().push((&file.path, number));
            }
        }
    }
    for (name, places) in places {
        let Some(((first, _), others)) = places.split_first() else { continue };
        for (path, line) in others {
            let what = format!("the public type name `{name}` is also in {first}");
            findings.push(Finding::new(path, *line, what, "give one of them a name of its own"));
        }
    }
}

/// The name of the public type that a line declares.
fn public_type(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub")?;
    let rest =
        rest.strip_prefix('(').map_or(Some(rest), |rest| rest.split_once(')').map(|(_, rest)| rest))?;
    let mut words = rest.split_whitespace();
    let kind = words.next()?;
    let name = words.next()?;
    let end = name.find(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    TYPES.contains(&kind).then(|| end.and_then(|end| name.get(..end)).unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    fn found(files: Vec<TextFile>) -> Vec<String> {
        let table = file(RENAMED, "| before | now |\n|---|---|\n| `lane`, `Wish` | `queue` |\n");
        let files: Vec<TextFile> = std::iter::once(table).chain(files).collect();
        check(&files)
            .into_iter()
            .map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.what))
            .collect()
    }

    #[test]
    fn names_that_were_given_up_do_not_come_back() {
        assert_eq!(
            found(vec![
                file("crates/store/src/a.rs", "let lane = 1; // a lane\n/// A [`Wish`].\npub struct Wish;\n"),
                file("crates/sim/src/a.rs", "let lane = 1;\n"),
            ]),
            [
                "crates/store/src/a.rs:1: the name `lane` was given up",
                "crates/store/src/a.rs:3: the name `Wish` was given up",
            ]
        );
        assert_eq!(check(&[]).len(), 1);
    }

    #[test]
    fn doc_comments_begin_with_a_noun_or_a_verb() {
        let text =
            "/// Whether it is.\n/// How it is.\nfn a() {}\n    /// Returns it.\n    /// When it is.\n";
        assert_eq!(
            found(vec![file("crates/store/src/a.rs", text)]),
            ["crates/store/src/a.rs:1: a doc comment begins with \"Whether\""]
        );
    }

    #[test]
    fn a_public_type_name_is_there_once() {
        assert_eq!(
            found(vec![
                file("crates/domain/src/a.rs", "pub struct One<T>(T);\nstruct Two;\n"),
                file("crates/engine/src/a.rs", "pub(crate) enum One {}\npub struct Two;\n"),
                file("crates/sim/src/a.rs", "pub struct One;\n"),
            ]),
            ["crates/engine/src/a.rs:1: the public type name `One` is also in crates/domain/src/a.rs"]
        );
    }

    #[test]
    fn papers_that_are_not_here_are_not_cited_and_files_are_not_named_for_ports() {
        let text = format!("// See {PAPER}.\n");
        let path = format!("crates/store/src/a{}", concat!("_port", ".rs"));
        assert_eq!(found(vec![file(&path, &text)]).len(), 2);
        assert!(cites_section(&format!("the shapes of {SECTION_OF}C.6")));
        assert!(!cites_section(&format!("a {SECTION_OF}to a message (reference in Rust)")));
    }
}
