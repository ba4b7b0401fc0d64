//! System clock.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
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
    n_resets: AtomicU64,
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

    /// Sets the clock back to the real time, and ends all sleeps: their deadlines may be far in the future.
    pub(crate) fn reset(&self) {
        self.offset_us.store(0, Ordering::SeqCst);
        self.n_resets.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
    }
}

fn real_now() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
    Timestamp::now()
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let now = real_now();
        // The store keeps microseconds. With the same precision here, a response shows the time that is read later.
        let now_us = now.as_microsecond().saturating_add(self.offset_us.load(Ordering::SeqCst));
        Timestamp::from_microsecond(now_us).unwrap_or(now)
    }

    fn real_now(&self) -> Timestamp {
        real_now()
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        let n_resets = self.n_resets.load(Ordering::SeqCst);
        loop {
            let changed = self.changed.notified();
            if self.n_resets.load(Ordering::SeqCst) != n_resets {
                return;
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_moved_clock_keeps_the_real_time_and_can_be_set_back() {
        let clock = SystemClock::new();
        let ahead = |clock: &SystemClock| clock.now().duration_since(clock.real_now()).as_hours();
        clock.advance(Duration::from_secs(48 * 3_600));
        assert!(ahead(&clock) >= 47);
        clock.reset();
        assert_eq!(ahead(&clock), 0);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_back_ends_sleeps() {
        let clock = SystemClock::new();
        clock.advance(Duration::from_secs(48 * 3_600));
        let deadline = clock.now() + SignedDuration::from_secs(2);
        let asleep = clock.sleep_until(deadline);
        tokio::join!(asleep, async { clock.reset() });
        assert!(clock.now() < deadline);
    }
}
