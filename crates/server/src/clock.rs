//! The real clock.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use engine::ports::Clock;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

/// The longest single sleep: a clock that is moved is noticed within it even without a word.
const MAX_SLEEP: SignedDuration = SignedDuration::from_secs(60);

/// The machine's clock, and an offset that `waypost dev` can move.
#[derive(Default)]
pub(crate) struct SystemClock {
    offset_us: AtomicI64,
    moved: Notify,
}

impl SystemClock {
    /// The machine's time, unmoved.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Moves the time forward, and wakes whoever waits for it.
    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        // The only change of the offset; a lost addition is not possible.
        self.offset_us.fetch_add(by, Ordering::SeqCst);
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
        let now = Timestamp::now();
        // As fine as the store keeps it, so that what is answered now is what is read later.
        let now_us = now.as_microsecond().saturating_add(self.offset_us.load(Ordering::SeqCst));
        Timestamp::from_microsecond(now_us).unwrap_or(now)
    }

    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let moved = self.moved.notified();
            let left = deadline.duration_since(self.now());
            if left <= SignedDuration::ZERO {
                return;
            }
            // Rounded up, so that waking means that the time has come.
            let left = left.min(MAX_SLEEP).unsigned_abs() + Duration::from_micros(1);
            #[expect(clippy::disallowed_methods, reason = "this is the one real clock")]
            let sleep = tokio::time::sleep(left);
            tokio::select! {
                () = sleep => {}
                () = moved => {}
            }
        }
    }
}
