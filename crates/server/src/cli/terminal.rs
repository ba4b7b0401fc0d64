//! Output of commands and input from the terminal.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Prints a line of the result on standard output.
///
/// # Errors
/// If standard output cannot be written. A closed pipe is not an error.
pub(super) fn print_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a JSON result on one line.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_json(value: &Value) -> io::Result<()> {
    print_line(&value.to_string())
}

/// Prints a line on standard error.
pub(super) fn print_note(text: &str) {
    // An error of standard error cannot be reported anywhere.
    let _ignored = writeln!(io::stderr().lock(), "{text}");
}

/// Prints a table with headings and aligned columns.
///
/// # Errors
/// If standard output cannot be written.
pub(super) fn print_table<'a>(
    headings: impl AsRef<[&'a str]>,
    rows: &[impl AsRef<[String]>],
) -> io::Result<()> {
    let headings: Vec<String> = headings.as_ref().iter().map(|heading| (*heading).to_owned()).collect();
    let mut widths: Vec<usize> = headings.iter().map(|heading| heading.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row.as_ref()) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |cells: &[String]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.trim_end().to_owned()
    };
    print_line(&line(&headings))?;
    rows.iter().try_for_each(|row| print_line(&line(row.as_ref())))
}

/// Returns a text without characters that control a terminal: line breaks, escape sequences, changes of the direction.
pub(super) fn one_line(text: &str) -> String {
    let is_control = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.replace(is_control, " ")
}

/// Reads a secret from the terminal without showing it. Returns `None` if standard input is not a terminal.
///
/// # Errors
/// If the terminal cannot be read, or the input is empty.
pub(super) fn read_secret(prompt: &str) -> io::Result<Option<SecretString>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Ok(None);
    }
    write!(io::stderr().lock(), "{prompt}")?;
    let line = {
        let _hidden = Hidden::new(stdin.as_fd())?;
        let mut line = String::new();
        stdin.lock().read_line(&mut line)?;
        SecretString::from(line)
    };
    // The terminal did not show the line break that ended the input.
    print_note("");
    let text = line.expose_secret().trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the input is empty"));
    }
    Ok(Some(SecretString::from(text)))
}

/// Hides the input of a terminal until the value is dropped.
struct Hidden<'a> {
    terminal: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Hidden<'a> {
    fn new(terminal: BorrowedFd<'a>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut hidden = before.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(self.terminal, OptionalActions::Flush, &self.before) {
            print_note(&format!(
                "note: the terminal still hides your input ({error}): run `stty echo` to fix this"
            ));
        }
    }
}

/// Colors of the output; without effect if the output is not a terminal.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    is_colored: bool,
}

impl Palette {
    /// Returns the palette of standard output.
    pub(super) fn of_stdout(is_plain: bool) -> Self {
        Self { is_colored: !is_plain && io::stdout().is_terminal() }
    }

    /// Returns the text in bold.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Returns the text dimmed.
    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Returns the text in green.
    pub(super) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Returns the text in red.
    pub(super) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
