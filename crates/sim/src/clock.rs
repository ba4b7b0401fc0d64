//! The simulator's own clock: real or fixed time, plus what a test has advanced it by.
//!
//! **Invariant:** a fixed clock moves only by [`Clock::advance`] and [`Clock::reset`]; only the latter moves a clock
//! back.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// 2026-01-01T00:00:00.000Z in milliseconds: where a fixed clock starts.
pub(crate) const START: i64 = 1_767_225_600_000;

/// One second, in the clock's milliseconds.
pub(crate) const SECOND: i64 = 1_000;
/// One hour, in the clock's milliseconds.
pub(crate) const HOUR: i64 = 3_600 * SECOND;
/// One day, in the clock's milliseconds.
pub(crate) const DAY: i64 = 24 * HOUR;

#[derive(Debug)]
pub(crate) struct Clock {
    is_fixed: bool,
    offset_us: AtomicI64,
}

impl Clock {
    pub(crate) fn fixed() -> Self {
        Self { is_fixed: true, offset_us: AtomicI64::new(0) }
    }

    pub(crate) fn real() -> Self {
        Self { is_fixed: false, offset_us: AtomicI64::new(0) }
    }

    /// Microseconds since 1970; throughput is counted in them, because a window of one second must never be cut
    /// short by rounding.
    pub(crate) fn now_us(&self) -> i64 {
        let base = if self.is_fixed { START.saturating_mul(1_000) } else { real_now_us() };
        base.saturating_add(self.offset_us.load(Ordering::SeqCst))
    }

    /// Milliseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.now_us().div_euclid(1_000)
    }

    pub(crate) fn advance(&self, by: Duration) {
        let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX / 4);
        self.offset_us.fetch_add(by, Ordering::SeqCst);
    }

    /// Takes back every advance.
    pub(crate) fn reset(&self) {
        self.offset_us.store(0, Ordering::SeqCst);
    }
}

/// Change of the simulator's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockChange {
    /// The clock was moved forward.
    Advanced(Duration),
    /// Every advance was taken back.
    Reset,
}

fn real_now_us() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the simulator's only reading of real time")]
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX / 4))
}

/// The whole seconds of a time in milliseconds, as Meta's timestamps count them.
pub(crate) fn seconds(at: i64) -> i64 {
    at.div_euclid(SECOND)
}

/// RFC 3339 text of a time in milliseconds, with three decimals.
pub(crate) fn text(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at)
        .map_or_else(|_| at.to_string(), |timestamp| format!("{timestamp:.3}"))
}

/// A span in the clock's milliseconds.
pub(crate) fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX / 4)
}

/// A span of the clock's milliseconds as a duration; nothing when it is negative.
pub(crate) fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
