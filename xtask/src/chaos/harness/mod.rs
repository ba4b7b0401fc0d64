//! Real processes that are killed under load, and the verification of every message.
//!
//! Shared by source: `cargo xtask chaos` and the tests in `crates/server/tests/process` compile the same files, so that
//! neither needs the other's program. No file in this folder uses code outside of it.

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

/// Returns the current time: the processes run in real time.
#[expect(clippy::disallowed_methods, reason = "real processes are started and killed, in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for a duration in real time.
pub(crate) fn sleep(span: Duration) {
    std::thread::sleep(span);
}

/// Polls `poll` until it returns a value; fails with `what` at the deadline.
pub(crate) fn wait_for<T>(
    what: &str,
    within: Duration,
    mut poll: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let deadline = now() + within;
    loop {
        if let Some(value) = poll()? {
            return Ok(value);
        }
        if now() >= deadline {
            anyhow::bail!("{what}: not within {} ms", within.as_millis());
        }
        sleep(Duration::from_millis(20));
    }
}
