//! A sliding window of past and future calls.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

/// A sliding window: at most `limit` calls in any period of `span`. Calls can be recorded for a time in the future.
///
/// Calls are counted by millisecond: a window needs at most one entry for each millisecond, for any limit.
#[derive(Clone, Debug)]
pub struct SlidingWindow {
    limit: u32,
    span: SignedDuration,
    /// Calls of the last span and of the future, ascending.
    calls: VecDeque<Calls>,
    n_calls: u32,
}

/// Calls of one millisecond.
#[derive(Clone, Copy, Debug)]
struct Calls {
    first: Timestamp,
    last: Timestamp,
    n: u32,
}

impl SlidingWindow {
    /// Creates an empty window.
    pub fn new(limit: u32, span: SignedDuration) -> Self {
        Self { limit, span, calls: VecDeque::new(), n_calls: 0 }
    }

    /// Removes the calls that have left the window at `now`.
    fn remove_old(&mut self, now: Timestamp) {
        while let Some(calls) = self.calls.front() {
            if now.duration_since(calls.last) < self.span {
                break;
            }
            self.n_calls = self.n_calls.saturating_sub(calls.n);
            self.calls.pop_front();
        }
    }

    /// Returns the earliest time from `earliest` on at which one more call is allowed. `now` is at most `earliest`.
    pub fn next_from(&mut self, earliest: Timestamp, now: Timestamp) -> Timestamp {
        self.remove_old(now);
        if self.n_calls < self.limit {
            return earliest;
        }
        let after = |at: Timestamp| at.saturating_add(self.span).unwrap_or(Timestamp::MAX);
        let Some(newest) = self.calls.back() else {
            // With a limit of zero no call is ever allowed; the end of the span is returned.
            return after(earliest);
        };
        let limit = self.limit.max(1);
        // A group is a sequence of as many calls as the limit allows. If a group fits into one span, a call is not allowed
        // less than a span before its last call and less than a span after its first. Groups start and end in the same
        // order, so that a time that was moved behind a group needs no second check of earlier groups.
        let mut at = earliest;
        let start = self.calls.partition_point(|calls| after(calls.last) <= at);
        if newest.last <= at && self.n_calls == limit && start == 0 {
            // The usual case: no future call, and exactly one group.
            return self.calls.front().map_or(at, |oldest| at.max(after(oldest.last)));
        }
        let mut ends = self.calls.iter().skip(start);
        let (mut n, mut end) = (0_u32, Timestamp::MIN);
        for first in self.calls.iter().skip(start) {
            while n < limit {
                let Some(calls) = ends.next() else { return at };
                n = n.saturating_add(calls.n);
                end = calls.first;
            }
            if at.saturating_add(self.span).is_ok_and(|until| until <= end) {
                return at;
            }
            if end < after(first.last) {
                at = at.max(after(first.last));
            }
            n = n.saturating_sub(first.n);
        }
        at
    }

    /// Records one call at `at`.
    pub fn record(&mut self, at: Timestamp) {
        self.n_calls = self.n_calls.saturating_add(1);
        let ms = at.as_millisecond();
        let index = self.calls.partition_point(|calls| calls.last.as_millisecond() < ms);
        match self.calls.get_mut(index) {
            Some(calls) if calls.last.as_millisecond() == ms => {
                calls.first = calls.first.min(at);
                calls.last = calls.last.max(at);
                calls.n = calls.n.saturating_add(1);
            }
            _ => self.calls.insert(index, Calls { first: at, last: at, n: 1 }),
        }
    }

    /// Returns the number of calls that are still allowed at `now`.
    pub fn remaining(&mut self, now: Timestamp) -> u32 {
        self.remove_old(now);
        let until = now.saturating_add(self.span).unwrap_or(Timestamp::MAX);
        let n_entries = self.calls.partition_point(|calls| calls.first < until);
        // Without calls after the window, which only batches cause, nothing is added up.
        let n_calls = if n_entries == self.calls.len() {
            self.n_calls
        } else {
            self.calls.iter().take(n_entries).map(|calls| calls.n).sum()
        };
        self.limit.saturating_sub(n_calls)
    }

    /// Returns the time at which the oldest recorded call leaves the window; `now` if no call is recorded.
    pub fn resets_at(&mut self, now: Timestamp) -> Timestamp {
        self.remove_old(now);
        self.calls.front().map_or(now, |calls| calls.last.saturating_add(self.span).unwrap_or(Timestamp::MAX))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
                if window.next_from(now, now) == now {
                    window.record(now);
                    granted.push(now);
                }
            }
            for (i, first) in granted.iter().enumerate() {
                let n = granted[i..].iter().take_while(|at| at.duration_since(*first) < SignedDuration::from_secs(1)).count();
                prop_assert!(n <= usize::try_from(limit).expect("small"));
            }
        }
    }
}
