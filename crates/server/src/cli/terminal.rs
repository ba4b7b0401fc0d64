//! What people and scripts read.

use std::io::{self, IsTerminal as _, Write as _};

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
