//! Pacing of a number whose messages recipients block or report (codes 131048 and 131064): one message at a time.

use jiff::{SignedDuration, Timestamp};

use crate::time::later;

/// Wait after the first refusal.
const FIRST_WAIT: SignedDuration = SignedDuration::from_mins(1);
/// Maximum wait.
const MAX_WAIT: SignedDuration = SignedDuration::from_mins(15);

/// Pacer of a number after spam refusals.
#[derive(Clone, Debug, Default)]
pub struct SpamPacer {
    limited: Option<Limited>,
}

/// Limit after a refusal.
#[derive(Clone, Copy, Debug)]
struct Limited {
    wait: SignedDuration,
    /// Time of the next message.
    next_at: Timestamp,
    /// `true` if a message was sent after the last wait, and Meta's answer is not known.
    is_probing: bool,
}

impl SpamPacer {
    /// Returns the time at which one message may leave; `None` if the number is not limited.
    pub fn next_at(&self) -> Option<Timestamp> {
        self.limited.map(|limited| limited.next_at)
    }

    /// Returns the number of messages that may leave now, out of `capacity`.
    pub fn capacity(&self, capacity: u32, now: Timestamp) -> u32 {
        match self.limited {
            None => capacity,
            Some(limited) if limited.next_at <= now => capacity.min(1),
            Some(_) => 0,
        }
    }

    /// Records a message that leaves at `slot_at`: the next message waits for its answer, or for the present wait.
    pub fn record(&mut self, slot_at: Timestamp) {
        if let Some(limited) = &mut self.limited
            && slot_at >= limited.next_at
        {
            limited.is_probing = true;
            limited.next_at = later(slot_at, limited.wait);
        }
    }

    /// Records that Meta refused a message because of spam: the next message waits for a minute, then for twice the
    /// time, up to 15 minutes.
    pub fn record_throttled(&mut self, now: Timestamp) {
        let wait = match self.limited {
            None => FIRST_WAIT,
            Some(limited) if limited.is_probing => limited.wait.saturating_mul(2).min(MAX_WAIT),
            // The message was sent before the wait began: the refusal does not count.
            Some(_) => return,
        };
        self.limited = Some(Limited { wait, next_at: later(now, wait), is_probing: false });
    }

    /// Records that Meta accepted a message: the limit ends. A message that was sent before the wait began does not
    /// count.
    pub fn record_accepted(&mut self) {
        self.limited = self.limited.filter(|limited| !limited.is_probing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).expect("a time")
    }

    #[test]
    fn one_message_at_a_time_leaves_after_waits_that_double() {
        let mut pacer = SpamPacer::default();
        assert_eq!(pacer.capacity(80, at(0)), 80);
        pacer.record_throttled(at(0));
        let mut now = 0;
        for minutes in [1, 2, 4, 8, 15, 15] {
            now += minutes * 60;
            assert_eq!(pacer.capacity(80, at(now - 1)), 0);
            assert_eq!(pacer.capacity(80, at(now)), 1);
            pacer.record(at(now));
            assert_eq!(pacer.capacity(80, at(now)), 0);
            pacer.record_throttled(at(now));
        }
    }

    #[test]
    fn an_acceptance_ends_the_limit() {
        let mut pacer = SpamPacer::default();
        pacer.record_throttled(at(0));
        pacer.record(at(60));
        pacer.record_accepted();
        assert_eq!(pacer.capacity(80, at(60)), 80);
        pacer.record_throttled(at(61));
        assert_eq!(pacer.next_at(), Some(at(121)));
    }

    #[test]
    fn answers_to_messages_from_before_the_wait_do_not_count() {
        let mut pacer = SpamPacer::default();
        pacer.record_throttled(at(0));
        pacer.record_throttled(at(1));
        pacer.record_accepted();
        assert_eq!(pacer.next_at(), Some(at(60)));
    }

    #[test]
    fn a_message_without_an_answer_is_followed_by_another_after_the_wait() {
        let mut pacer = SpamPacer::default();
        pacer.record_throttled(at(0));
        pacer.record(at(60));
        assert_eq!(pacer.capacity(80, at(119)), 0);
        assert_eq!(pacer.capacity(80, at(120)), 1);
    }
}
