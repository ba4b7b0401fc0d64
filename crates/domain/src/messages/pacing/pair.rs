//! Pacing of one pair of number and recipient: one message per six seconds, with a burst (Meta: Pair rate limits,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/overview>).

use jiff::{SignedDuration, Timestamp};

use super::lateness::LATENESS_MARGIN;
use crate::time::{earlier, later};

/// Cost of a message.
const COST: SignedDuration = SignedDuration::from_secs(6);

/// Maximum number of messages in a burst.
const BURST: u32 = 45;

/// Maximum debt at which one more message may be sent: the whole burst without that message.
const MOST_OWED: SignedDuration = SignedDuration::from_secs(6 * 44);

/// Exponent of the longest wait after a refusal: 4^5 s are 17 minutes.
const MAX_EXPONENT: u32 = 5;

/// Time for which refusals are counted after the wait that they caused: the longest of these waits.
const REMEMBERED_FOR: SignedDuration = SignedDuration::from_secs(1_024);

/// Pacer of one pair of number and recipient.
///
/// Each message adds six seconds of debt, time reduces the debt, and the debt never exceeds 45 messages. This is
/// Meta's rule: in any period of `t` seconds at most `45 + t / 6` messages are sent.
#[derive(Clone, Debug)]
pub struct PairPacer {
    /// Time at which the debt is zero.
    clear_at: Timestamp,
    /// Number of messages since the debt was zero.
    n_in_a_row: u32,
    /// Last recorded slot.
    last_at: Timestamp,
    refused: Option<Refused>,
}

/// Consecutive refusals of Meta.
#[derive(Clone, Copy, Debug)]
struct Refused {
    n_times: u32,
    until: Timestamp,
}

impl Default for PairPacer {
    fn default() -> Self {
        Self { clear_at: Timestamp::MIN, n_in_a_row: 0, last_at: Timestamp::MIN, refused: None }
    }
}

impl PairPacer {
    /// Returns the time at which one more message may leave, never before a reserved slot; `None` for now.
    pub fn available_at(&self, now: Timestamp) -> Option<Timestamp> {
        let paid_at = if self.n_in_a_row < BURST {
            Timestamp::MIN
        } else {
            // Meta counts from the arrival of the first message, which may be late.
            later(earlier(self.clear_at, MOST_OWED), LATENESS_MARGIN)
        };
        let waited_at = self.refused.map_or(Timestamp::MIN, |refused| refused.until);
        let ready_at = paid_at.max(waited_at).max(self.last_at);
        (ready_at > now).then_some(ready_at)
    }

    /// Records a message that leaves at `slot_at`.
    pub fn record(&mut self, slot_at: Timestamp) {
        if slot_at >= later(self.clear_at, LATENESS_MARGIN) {
            self.n_in_a_row = 0;
        }
        self.n_in_a_row = self.n_in_a_row.saturating_add(1);
        self.clear_at = later(self.clear_at.max(slot_at), COST);
        self.last_at = self.last_at.max(slot_at);
    }

    /// Removes one recorded message that was not sent.
    pub fn release(&mut self) {
        if self.n_in_a_row > 0 {
            self.n_in_a_row = self.n_in_a_row.saturating_sub(1);
            self.clear_at = earlier(self.clear_at, COST);
        }
    }

    /// Records that Meta refused a message because of the pair's rate (131056): the pair waits 1 s, then 4, 16, 64, …
    /// up to 1024 s.
    pub fn record_throttled(&mut self, now: Timestamp) {
        let n_times = match self.refused {
            // The message was sent before the wait began: the refusal does not count.
            Some(refused) if now < refused.until => return,
            Some(refused) => refused.n_times,
            None => 0,
        };
        let wait = SignedDuration::from_secs(4_i64.saturating_pow(n_times.min(MAX_EXPONENT)));
        self.refused = Some(Refused { n_times: n_times.saturating_add(1), until: later(now, wait) });
    }

    /// Records that Meta accepted a message: the next refusal starts at 1 s again.
    pub fn record_accepted(&mut self, now: Timestamp) {
        // A message that is accepted during the wait was sent before it.
        if self.refused.is_some_and(|refused| refused.until <= now) {
            self.refused = None;
        }
    }

    /// Returns `true` if a new pair would behave the same, so that this one can be removed.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        later(self.clear_at, LATENESS_MARGIN) <= now
            && self.last_at <= now
            && self.refused.is_none_or(|refused| later(refused.until, REMEMBERED_FOR) <= now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + ms).expect("a time")
    }

    fn after_burst() -> PairPacer {
        let mut pair = PairPacer::default();
        for _ in 0..45 {
            assert_eq!(pair.available_at(at(0)), None);
            pair.record(at(0));
        }
        pair
    }

    #[test]
    fn forty_five_leave_at_once_and_then_one_per_six_seconds() {
        let mut pair = after_burst();
        for i in 1..20 {
            assert_eq!(pair.available_at(at(0)), Some(at(i * 6_000 + 25)));
            pair.record(at(i * 6_000 + 25));
        }
    }

    #[test]
    fn after_twenty_messages_and_two_minutes_the_burst_is_whole() {
        let mut pair = PairPacer::default();
        (0..20).for_each(|_| pair.record(at(0)));
        assert!(!pair.is_idle(at(120_000)));
        assert!(pair.is_idle(at(120_025)));
        for _ in 0..45 {
            assert_eq!(pair.available_at(at(120_025)), None);
            pair.record(at(120_025));
        }
        assert!(pair.available_at(at(120_025)).is_some());
    }

    #[test]
    fn a_message_that_arrived_late_is_paid_back_late() {
        let mut pair = PairPacer::default();
        pair.record(at(0));
        for _ in 0..44 {
            assert_eq!(pair.available_at(at(6_000)), None);
            pair.record(at(6_000));
        }
        assert_eq!(pair.available_at(at(6_000)), Some(at(6_025)));
    }

    #[test]
    fn a_message_that_never_left_costs_nothing() {
        let mut pair = after_burst();
        pair.release();
        assert_eq!(pair.available_at(at(0)), None);
        (0..100).for_each(|_| pair.release());
        assert!(pair.is_idle(at(25)));
    }

    #[test]
    fn nothing_overtakes_a_booked_turn() {
        let mut pair = PairPacer::default();
        pair.record(at(3_000));
        assert_eq!(pair.available_at(at(0)), Some(at(3_000)));
    }

    #[test]
    fn each_refusal_in_a_row_waits_four_times_as_long() {
        let mut pair = PairPacer::default();
        let mut now = 0;
        for seconds in [1, 4, 16, 64, 256, 1_024, 1_024] {
            pair.record_throttled(at(now));
            assert_eq!(pair.available_at(at(now)), Some(at(now + seconds * 1_000)));
            now += seconds * 1_000;
            assert_eq!(pair.available_at(at(now)), None);
        }
    }

    #[test]
    fn what_left_before_the_wait_began_changes_nothing() {
        let mut pair = PairPacer::default();
        pair.record_throttled(at(0));
        pair.record_throttled(at(5));
        pair.record_accepted(at(10));
        assert_eq!(pair.available_at(at(10)), Some(at(1_000)));
        pair.record_throttled(at(1_000));
        assert_eq!(pair.available_at(at(1_000)), Some(at(5_000)));
    }

    #[test]
    fn an_acceptance_starts_the_waits_anew() {
        let mut pair = PairPacer::default();
        pair.record_throttled(at(0));
        pair.record_throttled(at(1_000));
        pair.record_accepted(at(5_000));
        pair.record_throttled(at(6_000));
        assert_eq!(pair.available_at(at(6_000)), Some(at(7_000)));
    }

    #[test]
    fn refusals_are_remembered_for_a_while() {
        let mut pair = PairPacer::default();
        pair.record_throttled(at(0));
        assert!(!pair.is_idle(at(2_000)));
        assert!(!pair.is_idle(at(1_024_999)));
        assert!(pair.is_idle(at(1_025_000)));
    }

    proptest! {
        /// Meta's rule as the simulator counts it: at each arrival the debt and one more fit into the burst.
        #[test]
        fn meta_never_sees_too_many(
            steps in prop::collection::vec((prop_oneof![3 => 0_i64..50, 1 => 0_i64..20_000], 0_i64..=25), 1..400),
        ) {
            let mut pair = PairPacer::default();
            let (mut now, mut clear_at, mut last, mut arrived) = (at(0), at(0), at(0), Vec::new());
            for (step, late) in steps {
                now = later(now, SignedDuration::from_millis(step));
                if let Some(ready_at) = pair.available_at(now) {
                    now = ready_at;
                }
                pair.record(now);
                // Late, but in order.
                let arrival = later(now, SignedDuration::from_millis(late)).max(last);
                clear_at = later(arrival.max(clear_at), COST);
                prop_assert!(clear_at.duration_since(arrival) <= COST * 45);
                last = arrival;
                arrived.push(arrival);
            }
            for (i, first) in arrived.iter().enumerate() {
                for (n, last) in (1..).zip(&arrived[i..]) {
                    prop_assert!(n <= 45 + last.duration_since(*first).as_secs() / 6);
                }
            }
        }

        #[test]
        fn an_idle_pair_is_like_a_fresh_one(
            steps in prop::collection::vec((0_i64..4_000, any::<bool>()), 1..60), rest in 0_i64..400_000,
        ) {
            let mut pair = PairPacer::default();
            let mut now = 0;
            for (step, _) in &steps {
                now += step;
                pair.record(at(now));
            }
            now += rest;
            if !pair.is_idle(at(now)) {
                return Ok(());
            }
            let mut fresh = PairPacer::default();
            for (step, leaves) in steps {
                now += step;
                prop_assert_eq!(pair.available_at(at(now)), fresh.available_at(at(now)));
                if leaves {
                    pair.record(at(now));
                    fresh.record(at(now));
                }
            }
        }
    }
}
