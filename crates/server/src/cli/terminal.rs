//! What people and scripts read.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Prints a line of the result.
///
/// # Errors
/// When standard output cannot be written; that nobody reads it any more is none.
pub(super) fn say(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        end => end,
    }
}

/// Prints a result for machines, on one line.
///
/// # Errors
/// As [`say`].
pub(super) fn say_json(value: &Value) -> io::Result<()> {
    say(&value.to_string())
}

/// Prints a line on standard error.
pub(super) fn complain(text: &str) {
    // There is nobody left to tell if this fails.
    let _unheard = writeln!(io::stderr().lock(), "{text}");
}

/// Prints rows below their headings, columns aligned.
///
/// # Errors
/// As [`say`].
pub(super) fn say_table<const N: usize>(headings: [&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let mut widths = headings.map(|heading| heading.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let line = |cells: &[String; N]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        line.trim_end().to_owned()
    };
    say(&line(&headings.map(str::to_owned)))?;
    rows.iter().try_for_each(|row| say(&line(row)))
}

/// Asks for a secret on the terminal, which does not show what is typed. `None`: nobody sits there.
///
/// # Errors
/// When the terminal cannot be read, or nothing was typed.
pub(super) fn ask_secret(prompt: &str) -> io::Result<Option<SecretString>> {
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
    // The line end that was typed was not shown either.
    complain("");
    let text = line.expose_secret().trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "nothing was typed"));
    }
    Ok(Some(SecretString::from(text)))
}

/// A terminal that does not show what is typed, until this is dropped.
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
            complain(&format!(
                "note: the terminal does not show what you type ({error}): `stty echo` mends it"
            ));
        }
    }
}

/// Colours, where the reader is a terminal that wants them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Palette {
    is_colourful: bool,
}

impl Palette {
    /// What fits standard output.
    pub(super) fn of_stdout(is_plain: bool) -> Self {
        Self { is_colourful: !is_plain && io::stdout().is_terminal() }
    }

    /// What stands out.
    pub(super) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// What may be overlooked.
    pub(super) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// What is well.
    pub(super) fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// What is not.
    pub(super) fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.is_colourful { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
