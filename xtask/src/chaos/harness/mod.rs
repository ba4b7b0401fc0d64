//! Real processes that are killed under load, and the count of what became of every message.
//!
//! Shared by source: `cargo xtask chaos` and the tests in `crates/server/tests/process` compile the same files, so that
//! neither needs the other's program. Nothing here names anything outside this folder.

pub(crate) mod client;
pub(crate) mod directory;
pub(crate) mod environment;
pub(crate) mod faults;
pub(crate) mod ledger;
pub(crate) mod load;
pub(crate) mod process;
pub(crate) mod random;
pub(crate) mod rounds;
pub(crate) mod verify;

use std::time::{Duration, Instant};

/// The time now: processes live in real time.
#[expect(clippy::disallowed_methods, reason = "real processes are started and killed, in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Lets time pass: a process cannot be ticked.
pub(crate) fn sleep(span: Duration) {
    std::thread::sleep(span);
}

/// Asks `is_there` again and again until it gives something; fails with `what` at the deadline.
pub(crate) fn wait_for<T>(
    what: &str,
    within: Duration,
    mut is_there: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = now() + within;
    loop {
        if let Some(there) = is_there()? {
            return Ok(there);
        }
        if now() >= deadline {
            anyhow::bail!("{what}: not within {} ms", within.as_millis());
        }
        sleep(Duration::from_millis(20));
    }
}
