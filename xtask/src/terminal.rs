//! Output of the tasks, and the clock that measures them.

use std::fmt::Display;
use std::time::Instant;

/// Prints one line.
#[expect(clippy::print_stdout, reason = "the tasks talk to a terminal; this is their only mouth")]
pub(crate) fn print_line(line: impl Display) {
    println!("{line}");
}

/// Returns the current time, to measure durations.
#[expect(clippy::disallowed_methods, reason = "a task measures real time; nothing of the gateway runs here")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Returns the number of seconds since 1970.
#[expect(clippy::disallowed_methods, reason = "what a real process checks must carry the real time")]
pub(crate) fn unix_seconds() -> anyhow::Result<u64> {
    use anyhow::Context as _;
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Ok(since.context("asking for the time")?.as_secs())
}
