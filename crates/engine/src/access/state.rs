//! State of the process for callers: last use of keys and sessions, rate limiters, failed logins.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::access::login_throttle::LoginThrottle;
use domain::access::rate_limiter::RateLimiter;
use domain::id::{KeyId, OwnerId};
use jiff::Timestamp;

use crate::ports::SessionDigest;

/// Times at which keys were last used, until they are written to the store.
#[derive(Default)]
pub struct ApiKeyUsage(Mutex<BTreeMap<KeyId, Timestamp>>);

impl ApiKeyUsage {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<KeyId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Rate limiters of all callers.
#[derive(Default)]
pub struct RateLimiters(Mutex<BTreeMap<OwnerId, RateLimiter>>);

impl RateLimiters {
    pub(super) fn lock(&self) -> MutexGuard<'_, BTreeMap<OwnerId, RateLimiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes all counted calls.
    pub(crate) fn clear(&self) {
        self.lock().clear();
    }
}

/// Recent failed logins, and the times at which sessions were last used.
#[derive(Default)]
pub struct LoginThrottles {
    throttle: Mutex<LoginThrottle>,
    last_used: Mutex<BTreeMap<SessionDigest, Timestamp>>,
}

impl LoginThrottles {
    pub(super) fn throttle(&self) -> MutexGuard<'_, LoginThrottle> {
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn last_used(&self) -> MutexGuard<'_, BTreeMap<SessionDigest, Timestamp>> {
        self.last_used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
