//! Rate limits of API keys: exact sliding windows.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// A sliding window: at most `limit` calls in any period of `span`.
///
/// Calls are counted by millisecond: a window needs at most one entry for each millisecond of its span, for any limit.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    limit: u32,
    span: SignedDuration,
    calls: VecDeque<(Timestamp, u32)>,
    n_calls: u32,
}

impl SlidingWindow {
    /// Creates an empty window.
    pub fn new(limit: u32, span: SignedDuration) -> Self {
        Self { limit, span, calls: VecDeque::new(), n_calls: 0 }
    }

    /// Removes the calls that have left the window at `now`.
    fn remove_old(&mut self, now: Timestamp) {
        while let Some(&(at, n)) = self.calls.front() {
            if now.duration_since(at) < self.span {
                break;
            }
            self.n_calls = self.n_calls.saturating_sub(n);
            self.calls.pop_front();
        }
    }

    /// Returns the time at which one more call is allowed; `None` if it is allowed now.
    pub fn available_at(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.remove_old(now);
        if self.n_calls < self.limit {
            return None;
        }
        // With a limit of zero no call is ever allowed; the end of the span is returned.
        let oldest = self.calls.front().map_or(now, |&(at, _)| at);
        Some(oldest.saturating_add(self.span).unwrap_or(Timestamp::MAX))
    }

    /// Records one call at `now`.
    pub fn record(&mut self, now: Timestamp) {
        self.n_calls = self.n_calls.saturating_add(1);
        match self.calls.back_mut() {
            // An entry has the time of its last call, so that no call leaves the window too early.
            Some((at, n)) if at.as_millisecond() == now.as_millisecond() => {
                (*at, *n) = (now, n.saturating_add(1))
            }
            _ => self.calls.push_back((now, 1)),
        }
    }

    /// Returns the number of calls that are still allowed at `now`.
    pub fn remaining(&mut self, now: Timestamp) -> u32 {
        self.remove_old(now);
        self.limit.saturating_sub(self.n_calls)
    }

    /// Returns the time at which the oldest recorded call leaves the window; `now` if no call is recorded.
    pub fn resets_at(&mut self, now: Timestamp) -> Timestamp {
        self.remove_old(now);
        self.calls.front().map_or(now, |&(at, _)| at.saturating_add(self.span).unwrap_or(Timestamp::MAX))
    }

    /// Returns the limit.
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Sets the limit. Recorded calls stay recorded.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }
}

/// Kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A send: limited per minute and per second.
    Send,
    /// Any other call: limited per minute, with a higher limit.
    Other,
}

/// Rate limits of an API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimits {
    /// Maximum number of sends in any 60 seconds.
    pub per_minute: u32,
    /// Maximum number of sends in any second.
    pub burst: u32,
}

impl RateLimits {
    /// Returns the maximum number of other calls in any 60 seconds.
    fn others(self) -> u32 {
        self.per_minute.saturating_mul(12).max(1200)
    }
}

/// Decision about a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitDecision {
    /// Limit per minute for this kind of call.
    pub limit: u32,
    /// Number of calls that remain.
    pub remaining: u32,
    /// Time at which the oldest counted call leaves the window.
    pub resets_at: Timestamp,
    /// Time from which the call is allowed; `None` if it is allowed now.
    pub retry_at: Option<Timestamp>,
}

/// Rate limiter of one API key.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    sends: SlidingWindow,
    burst: SlidingWindow,
    others: SlidingWindow,
    /// Send times of the messages of batches, ascending: of the last minute and of the future.
    reserved: VecDeque<Timestamp>,
}

impl RateLimiter {
    /// Creates a limiter without recorded calls.
    pub fn new(limits: RateLimits) -> Self {
        let minute = SignedDuration::from_secs(60);
        Self {
            sends: SlidingWindow::new(limits.per_minute, minute),
            burst: SlidingWindow::new(limits.burst, SignedDuration::from_secs(1)),
            others: SlidingWindow::new(limits.others(), minute),
            reserved: VecDeque::new(),
        }
    }

    /// Reserves the send time of the next message of a batch. Only messages of batches count here; the batch itself is
    /// one call.
    pub fn reserve(&mut self, limits: RateLimits, now: Timestamp) -> Timestamp {
        let minute = SignedDuration::from_secs(60);
        while self.reserved.front().is_some_and(|at| now.duration_since(*at) >= minute) {
            self.reserved.pop_front();
        }
        // The n-th message before this one must be at least one window earlier.
        let after = |n: u32, span: SignedDuration| -> Option<Timestamp> {
            let n = usize::try_from(n).ok()?.max(1);
            let before = self.reserved.len().checked_sub(n).and_then(|index| self.reserved.get(index))?;
            before.saturating_add(span).ok()
        };
        let at = [
            after(limits.per_minute, minute),
            after(limits.burst, SignedDuration::from_secs(1)),
            self.reserved.back().copied(),
        ]
        .into_iter()
        .flatten()
        .fold(now, Timestamp::max);
        self.reserved.push_back(at);
        at
    }

    /// Records one call if it is allowed. A call that is not allowed is not recorded.
    pub fn acquire(&mut self, kind: CallKind, limits: RateLimits, now: Timestamp) -> RateLimitDecision {
        self.set_limits(limits);
        let retry_at = match kind {
            CallKind::Send => self.sends.available_at(now).max(self.burst.available_at(now)),
            CallKind::Other => self.others.available_at(now),
        };
        if retry_at.is_none() {
            match kind {
                CallKind::Send => {
                    self.sends.record(now);
                    self.burst.record(now);
                }
                CallKind::Other => self.others.record(now),
            }
        }
        RateLimitDecision { retry_at, ..self.peek(kind, limits, now) }
    }

    /// Returns the current decision without recording a call.
    pub fn peek(&mut self, kind: CallKind, limits: RateLimits, now: Timestamp) -> RateLimitDecision {
        self.set_limits(limits);
        let window = match kind {
            CallKind::Send => &mut self.sends,
            CallKind::Other => &mut self.others,
        };
        RateLimitDecision {
            limit: window.limit(),
            remaining: window.remaining(now),
            resets_at: window.resets_at(now),
            retry_at: None,
        }
    }

    fn set_limits(&mut self, limits: RateLimits) {
        self.sends.set_limit(limits.per_minute);
        self.burst.set_limit(limits.burst);
        self.others.set_limit(limits.others());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + ms).expect("a time")
    }

    const LIMITS: RateLimits = RateLimits { per_minute: 100, burst: 10 };

    #[test]
    fn the_eleventh_send_of_a_second_is_rejected() {
        let mut limiter = RateLimiter::new(LIMITS);
        for i in 0..10 {
            assert_eq!(limiter.acquire(CallKind::Send, LIMITS, at(i)).retry_at, None);
        }
        let rejected = limiter.acquire(CallKind::Send, LIMITS, at(10));
        assert_eq!(rejected.remaining, 90);
        assert_eq!(rejected.retry_at, Some(at(1000)));
        assert_eq!(limiter.acquire(CallKind::Send, LIMITS, at(1000)).retry_at, None);
    }

    #[test]
    fn the_hundred_and_first_send_of_a_minute_is_rejected() {
        let mut limiter = RateLimiter::new(LIMITS);
        for i in 0..100 {
            assert_eq!(limiter.acquire(CallKind::Send, LIMITS, at(i * 200)).retry_at, None);
        }
        let rejected = limiter.acquire(CallKind::Send, LIMITS, at(30_000));
        assert_eq!((rejected.limit, rejected.remaining), (100, 0));
        assert_eq!(rejected.retry_at, Some(at(60_000)));
    }

    #[test]
    fn sends_and_other_calls_do_not_count_against_each_other() {
        let mut limiter = RateLimiter::new(RateLimits { per_minute: 1, burst: 1 });
        let limits = RateLimits { per_minute: 1, burst: 1 };
        assert_eq!(limiter.acquire(CallKind::Send, limits, at(0)).retry_at, None);
        let other = limiter.acquire(CallKind::Other, limits, at(0));
        assert_eq!((other.limit, other.remaining, other.retry_at), (1200, 1199, None));
    }

    #[test]
    fn the_messages_of_a_batch_are_scheduled_within_the_limits_of_the_key() {
        let mut limiter = RateLimiter::new(LIMITS);
        let reserved: Vec<_> = (0..1000).map(|_| limiter.reserve(LIMITS, at(0))).collect();
        for (limit, span) in [(10, 1000), (100, 60_000)] {
            for pair in reserved.windows(limit + 1) {
                assert!(pair[limit].duration_since(pair[0]) >= SignedDuration::from_millis(span));
            }
        }
        assert_eq!(reserved[9], at(0));
        assert_eq!(reserved[10], at(1000));
        assert_eq!(reserved[100], at(60_000));
        assert_eq!(reserved[999].duration_since(at(0)).as_secs(), 549);
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_its_limit(
            steps in prop::collection::vec(0i64..400_000, 1..300),
            limit in 1u32..12,
        ) {
            let mut window = SlidingWindow::new(limit, SignedDuration::from_secs(1));
            let mut granted = Vec::new();
            let mut now = 0;
            for step in steps {
                now += step;
                let now = Timestamp::from_microsecond(1_767_225_600_000_000 + now).expect("a time");
                match window.available_at(now) {
                    None => {
                        window.record(now);
                        granted.push(now);
                    }
                    Some(later) => prop_assert!(later > now),
                }
            }
            for (i, first) in granted.iter().enumerate() {
                let n = granted[i..].iter().take_while(|at| at.duration_since(*first) < SignedDuration::from_secs(1)).count();
                prop_assert!(n <= usize::try_from(limit).expect("small"));
            }
        }
    }
}
