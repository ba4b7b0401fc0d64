//! System clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// Maximum time of one sleep, so that a change of the system time is noticed.
const MAX_SLEEP: SignedDuration = SignedDuration::from_secs(60);

/// System clock with an offset that `waypost dev` can change.
#[derive(Default)]
pub(crate) struct SystemClock {
    offset_us: AtomicI64,
    changed: Notify,
}

impl SystemClock {
    /// Creates a clock without offset.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Advances the time and wakes all sleeping tasks.
    pub(crate) fn advance(&self, duration: Duration) {
        let duration = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        // An atomic addition cannot be lost.
        self.offset_us.fetch_add(duration, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
        let now = Timestamp::now();
        // The store keeps microseconds. With the same precision here, a response shows the time that is read later.
        let now_us = now.as_microsecond().saturating_add(self.offset_us.load(Ordering::SeqCst));
        Timestamp::from_microsecond(now_us).unwrap_or(now)
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let changed = self.changed.notified();
            let left = deadline.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            // Rounded up, so that the deadline has passed after the sleep.
            let left = left.min(MAX_SLEEP).unsigned_abs() + Duration::from_micros(1);
            #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
            let sleep = tokio::time::sleep(left);
            tokio::select! {
                () = sleep => {}
                () = changed => {}
            }
        }
    }
}
