//! Rate limits of API keys: exact sliding windows.
//!
//! **Invariant:** all sends of a key share its windows: synchronous sends, queued sends, and the messages of batches, which
//! count at the time at which they may leave.

mod window;

use jiff::{SignedDuration, Timestamp};

pub use self::window::SlidingWindow;

/// Period of the limits per minute.
const MINUTE: SignedDuration = SignedDuration::from_secs(60);
/// Period of the burst limit.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// A send: limited per minute and per second.
    Send,
    /// A batch: limited as a send is, in windows of its own. Its messages count as sends.
    Batch,
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

/// Windows of a minute and of a second.
#[derive(Clone, Debug)]
struct Windows {
    minute: SlidingWindow,
    second: SlidingWindow,
}

impl Windows {
    fn new(limits: RateLimits) -> Self {
        let minute = SlidingWindow::new(limits.per_minute, MINUTE);
        Self { minute, second: SlidingWindow::new(limits.burst, SECOND) }
    }

    fn set_limits(&mut self, limits: RateLimits) {
        self.minute.set_limit(limits.per_minute);
        self.second.set_limit(limits.burst);
    }

    /// Returns the earliest time from `earliest` on at which both windows allow a call.
    fn next_from(&mut self, earliest: Timestamp, now: Timestamp) -> Timestamp {
        let mut at = earliest;
        loop {
            let next = self.second.next_from(self.minute.next_from(at, now), now);
            if next == at {
                return at;
            }
            at = next;
        }
    }

    fn record(&mut self, at: Timestamp) {
        self.minute.record(at);
        self.second.record(at);
    }
}

/// Rate limiter of one API key.
#[derive(Clone, Debug)]
pub struct RateLimiter {
    sends: Windows,
    batches: Windows,
    others: SlidingWindow,
    /// Time of the last message of a batch.
    last_reserved: Option<Timestamp>,
}

impl RateLimiter {
    /// Creates a limiter without recorded calls.
    pub fn new(limits: RateLimits) -> Self {
        Self {
            sends: Windows::new(limits),
            batches: Windows::new(limits),
            others: SlidingWindow::new(limits.others(), MINUTE),
            last_reserved: None,
        }
    }

    /// Reserves the send time of the next message of a batch: the earliest time, not before the last message of a batch, at
    /// which no window has more sends than its limit.
    pub fn reserve(&mut self, limits: RateLimits, now: Timestamp) -> Timestamp {
        self.set_limits(limits);
        let earliest = self.last_reserved.map_or(now, |last| last.max(now));
        let at = self.sends.next_from(earliest, now);
        self.sends.record(at);
        self.last_reserved = Some(at);
        at
    }

    /// Records one call if it is allowed. A call that is not allowed is not recorded.
    pub fn acquire(&mut self, kind: CallKind, limits: RateLimits, now: Timestamp) -> RateLimitDecision {
        self.set_limits(limits);
        let at = match kind {
            CallKind::Send => self.sends.next_from(now, now),
            CallKind::Batch => self.batches.next_from(now, now),
            CallKind::Other => self.others.next_from(now, now),
        };
        let retry_at = (at > now).then_some(at);
        if retry_at.is_none() {
            match kind {
                CallKind::Send => self.sends.record(now),
                CallKind::Batch => self.batches.record(now),
                CallKind::Other => self.others.record(now),
            }
        }
        let mut decision = self.peek(kind, limits, now);
        if kind == CallKind::Batch {
            // At least one message follows.
            decision.remaining = decision.remaining.saturating_sub(1);
        }
        RateLimitDecision { retry_at, ..decision }
    }

    /// Returns the current decision without recording a call. For a batch, it is the window of sends.
    pub fn peek(&mut self, kind: CallKind, limits: RateLimits, now: Timestamp) -> RateLimitDecision {
        self.set_limits(limits);
        let window = match kind {
            CallKind::Send | CallKind::Batch => &mut self.sends.minute,
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
        self.sends.set_limits(limits);
        self.batches.set_limits(limits);
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

    #[test]
    fn batches_and_other_sends_share_the_windows() {
        let limits = RateLimits { per_minute: 5, burst: 5 };
        let mut limiter = RateLimiter::new(limits);
        assert_eq!(limiter.acquire(CallKind::Send, limits, at(0)).retry_at, None);
        // The messages of a batch count, not the batch.
        assert_eq!(limiter.acquire(CallKind::Batch, limits, at(1)).remaining, 3);
        let reserved: Vec<_> = (0..6).map(|_| limiter.reserve(limits, at(2))).collect();
        assert_eq!(reserved, [at(2), at(2), at(2), at(2), at(60_000), at(60_002)]);
        // A synchronous send would be the sixth within 60 seconds.
        let refused = limiter.acquire(CallKind::Send, limits, at(3));
        assert_eq!((refused.remaining, refused.retry_at), (0, Some(at(60_002))));
        // Another batch waits behind the first one.
        assert_eq!(limiter.acquire(CallKind::Batch, limits, at(4)).retry_at, None);
        assert_eq!(limiter.acquire(CallKind::Send, limits, at(60_002)).retry_at, None);
    }

    proptest! {
        #[test]
        fn no_window_of_a_key_ever_holds_more_than_its_limits(
            steps in prop::collection::vec((0_i64..40_000, 0_usize..4, 0_usize..30), 1..60),
            per_minute in 1_u32..30,
            burst in 1_u32..8,
        ) {
            let limits = RateLimits { per_minute, burst };
            let mut limiter = RateLimiter::new(limits);
            let (mut sends, mut now) = (Vec::new(), 0);
            for (step, kind, n_messages) in steps {
                now += step;
                if kind > 0 {
                    let decision = limiter.acquire(CallKind::Send, limits, at(now));
                    match decision.retry_at {
                        None => sends.push(at(now)),
                        // The call is allowed at the time that the refusal names, and not before.
                        Some(retry_at) => {
                            prop_assert!(retry_at > at(now));
                            let mut later = limiter.clone();
                            let ms = SignedDuration::from_millis(1);
                            prop_assert!(later.acquire(CallKind::Send, limits, retry_at - ms).retry_at.is_some());
                            prop_assert_eq!(later.acquire(CallKind::Send, limits, retry_at).retry_at, None);
                        }
                    }
                } else if limiter.acquire(CallKind::Batch, limits, at(now)).retry_at.is_none() {
                    sends.extend((0..n_messages.max(1)).map(|_| limiter.reserve(limits, at(now))));
                }
            }
            sends.sort_unstable();
            for (limit, span) in [(per_minute, MINUTE), (burst, SECOND)] {
                let limit = usize::try_from(limit).expect("small");
                for group in sends.windows(limit + 1) {
                    prop_assert!(group[limit].duration_since(group[0]) >= span);
                }
            }
        }
    }
}
