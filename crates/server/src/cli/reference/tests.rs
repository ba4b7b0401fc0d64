use std::fs;
use std::path::{Path, PathBuf};

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::super::Cli;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns README.md and the pages of the documentation: path and text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut paths: Vec<_> =
        fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.extend(["README.md", "CONTRIBUTING.md", "examples/README.md"].map(|name| root().join(name)));
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

/// Splits a line as a shell does: quotes, and no variables. Redirections, pipes and comments end the command.
fn words(line: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut is_in_word = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' => is_in_word = false,
            '>' | '|' | ';' | '&' => break,
            '#' if !is_in_word => break,
            _ => {
                if !is_in_word {
                    words.push(String::new());
                    is_in_word = true;
                }
                let word = words.last_mut().unwrap();
                match letter {
                    '\'' | '"' => word.extend(letters.by_ref().take_while(|next| *next != letter)),
                    '\\' => word.extend(letters.next()),
                    '$' if letters.peek() == Some(&'(') => {
                        word.extend(letters.by_ref().take_while(|next| *next != ')'));
                    }
                    _ => word.push(letter),
                }
            }
        }
    }
    words
}

/// Returns why the command line is not valid. An incomplete command, such as `waypost accounts add`, is valid in a
/// sentence.
fn refusal(line: &str, is_complete: bool) -> Option<String> {
    let error = Cli::try_parse_from(words(line)).err()?;
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let is_incomplete = matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    let is_accepted = is_help || (is_incomplete && !is_complete);
    (!is_accepted).then(|| format!("{line}\n{error}"))
}

#[test]
fn the_committed_reference_is_up_to_date() {
    expect_test::expect_file!["../../../../../docs/cli.md"].assert_eq(&super::reference(Cli::command()));
}

#[test]
fn every_command_of_the_documents_is_valid() {
    let mut n_commands = 0;
    let mut refusals = Vec::new();
    for (path, text) in pages() {
        let mut language = None;
        let joined = text.replace("\\\n", " ");
        for line in joined.lines() {
            if let Some(fence) = line.trim_start().strip_prefix("```") {
                language = if language.is_some() { None } else { Some(fence.to_owned()) };
                continue;
            }
            let mut commands = Vec::new();
            if language.as_deref() == Some("sh") {
                commands.extend(line.trim().starts_with("waypost ").then_some((line.trim(), true)));
            } else if language.is_none() {
                let spans = line.split('`').skip(1).step_by(2);
                commands.extend(spans.filter(|span| span.starts_with("waypost ")).map(|span| (span, false)));
            }
            for (command, is_complete) in commands {
                if command.contains('…') || command.contains("COMMAND") {
                    continue;
                }
                n_commands += 1;
                refusals.extend(
                    refusal(command, is_complete).map(|refusal| format!("{}: {refusal}", path.display())),
                );
            }
        }
    }
    assert!(n_commands > 40, "{n_commands}");
    assert!(refusals.is_empty(), "{}", refusals.join("\n"));
}

#[test]
fn a_wrong_command_is_found() {
    assert_eq!(
        words("waypost a 'b c' \"d\" e=$(date +%F).db > key # x"),
        ["waypost", "a", "b c", "d", "e=(date +%F.db"]
    );
    assert!(refusal("waypost keys rotate ci --overlap 1h", true).is_none());
    assert!(refusal("waypost keys rotate ci --overlaps 1h", true).is_some());
    assert!(refusal("waypost key list", false).is_some());
    assert!(refusal("waypost keys rotate", true).is_some());
    assert!(refusal("waypost keys rotate", false).is_none());
}
