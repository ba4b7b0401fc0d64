//! Rate limits of callers, in the memory of the process.

use domain::access::rate_limiter::{CallKind, RateLimitDecision, RateLimiter, RateLimits};
use jiff::Timestamp;

use super::caller::Caller;
use crate::Deps;

/// Requests one call, and counts the call if the limit allows it.
pub fn acquire(deps: &Deps, caller: &Caller, kind: CallKind) -> RateLimitDecision {
    with_rate_limiter(deps, caller, |limiter, limits| limiter.acquire(kind, limits, deps.now()))
}

/// Returns the state of the caller's limit without counting a call.
pub fn peek(deps: &Deps, caller: &Caller, kind: CallKind) -> RateLimitDecision {
    with_rate_limiter(deps, caller, |limiter, limits| limiter.peek(kind, limits, deps.now()))
}

/// Reserves a send for a message of a batch. Returns the earliest time of the send.
pub(crate) fn reserve(deps: &Deps, caller: &Caller) -> Timestamp {
    with_rate_limiter(deps, caller, |limiter, limits| limiter.reserve(limits, deps.now()))
}

fn with_rate_limiter<T>(
    deps: &Deps,
    caller: &Caller,
    f: impl FnOnce(&mut RateLimiter, RateLimits) -> T,
) -> T {
    let limits = limits(deps, caller);
    let mut limiters = deps.rate_limiters.lock();
    f(limiters.entry(caller.owner()).or_insert_with(|| RateLimiter::new(limits)), limits)
}

/// Returns the limits of the caller: those of its key, else the defaults of the configuration.
fn limits(deps: &Deps, caller: &Caller) -> RateLimits {
    let defaults = deps.settings.limits;
    match caller {
        Caller::Key(key) => RateLimits {
            per_minute: key.rate_per_minute.unwrap_or(defaults.per_minute),
            burst: key.rate_burst.unwrap_or(defaults.burst),
        },
        Caller::User(_) => defaults,
    }
}
