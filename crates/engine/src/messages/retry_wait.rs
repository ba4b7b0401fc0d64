//! Waits in responses: `Retry-After` of rate limit errors, and the time until a send slot.

use domain::meta_error::{MetaError, MetaErrorClass};
use jiff::Timestamp;

/// Seconds to wait after a rate limit error that has no wait.
pub(crate) const DEFAULT_WAIT: u32 = 1;
/// Seconds to wait after a rate limit error for a pair of number and recipient: one message per 6 seconds.
const PAIR_WAIT: u32 = 6;

/// Returns the seconds to wait after a rate limit error in the response to a call that is not a send.
pub(crate) fn call_wait(error: &MetaError) -> u32 {
    error.wait().unwrap_or(DEFAULT_WAIT).max(1)
}

/// Returns the seconds to wait after a rate limit error in the response to a send.
pub(crate) fn retry_after(error: &MetaError) -> u32 {
    let default = if error.class() == MetaErrorClass::ThrottlePair { PAIR_WAIT } else { DEFAULT_WAIT };
    error.retry_after.unwrap_or(default).max(1)
}

/// Returns the whole seconds until a time, at least one.
pub(crate) fn seconds_until(at: Timestamp, now: Timestamp) -> u32 {
    let ms = at.duration_since(now).as_millis().max(0).saturating_add(999);
    u32::try_from(ms / 1000).unwrap_or(u32::MAX).max(1)
}
