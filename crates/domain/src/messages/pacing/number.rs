//! Pacing of one number: a maximum number of messages in any second, fewer after a refusal.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use super::lateness::LATENESS_MARGIN;
use crate::time::{earlier, later};

/// Period in which Meta counts: any second.
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// Period in which slots are planned: a second and the margin for late messages.
const SPAN: SignedDuration = SECOND.saturating_add(LATENESS_MARGIN);

/// Pacer of one number.
///
/// **Invariant:** when a slot is planned, no period of a second and [`LATENESS_MARGIN`] that includes it has more
/// slots than the current limit. So no second ever has more messages than the throughput if each message leaves at its
/// slot or at most [`LATENESS_MARGIN`] later.
#[derive(Clone, Debug)]
pub struct NumberPacer {
    throughput: u32,
    slowed: Option<Slowed>,
    /// Slots that still matter, in the past or in the future, in ascending order.
    slots: VecDeque<Timestamp>,
}

/// Reduced limit after a refusal.
///
/// The unit is a tenth of a message, so that a tenth of any throughput is a whole number.
#[derive(Clone, Copy, Debug)]
struct Slowed {
    tenths: u64,
    halved_at: Timestamp,
    /// Time of Meta's last refusal.
    clean_since: Timestamp,
}

impl NumberPacer {
    /// Creates a pacer for a number that has sent nothing. A throughput of zero counts as one; suspension, not pacing,
    /// stops an account.
    pub fn new(throughput: u32) -> Self {
        Self { throughput: throughput.max(1), slowed: None, slots: VecDeque::new() }
    }

    /// Adds messages that were sent before a restart.
    pub fn seed(&mut self, sent_at: impl IntoIterator<Item = Timestamp>) {
        self.slots.extend(sent_at);
        self.slots.make_contiguous().sort_unstable();
    }

    /// Sets the maximum number of messages per second. Reserved slots are kept.
    pub fn set_throughput(&mut self, throughput: u32) {
        self.throughput = throughput.max(1);
    }

    /// Returns the maximum number of messages per second at `now`: the throughput, or less after a refusal.
    pub fn limit(&self, now: Timestamp) -> u32 {
        u32::try_from(self.tenths(now) / 10).unwrap_or(u32::MAX).max(1)
    }

    /// Returns the next slot, now or later, without a reservation.
    pub fn next_slot(&self, now: Timestamp) -> Timestamp {
        self.next_slot_from(now, now)
    }

    /// Returns the next slot for a message that cannot leave before `ready_at`.
    pub fn next_slot_from(&self, now: Timestamp, ready_at: Timestamp) -> Timestamp {
        let limit = usize::try_from(self.limit(now)).unwrap_or(usize::MAX);
        let mut slot_at = ready_at.max(now);
        // A group is a sequence of as many slots as the limit allows. If a group fits into one period, a slot is not
        // allowed less than a period before its last slot and less than a period after its first. Groups start and end
        // in the same order, so that a slot that was moved behind a group needs no second check of earlier groups.
        let first = self.slots.partition_point(|slot| later(*slot, SPAN) <= slot_at);
        let firsts = self.slots.iter().skip(first);
        let lasts = self.slots.iter().skip(first.saturating_add(limit.saturating_sub(1)));
        for (first, last) in firsts.zip(lasts) {
            if slot_at <= earlier(*last, SPAN) {
                break;
            }
            if *last < later(*first, SPAN) {
                slot_at = slot_at.max(later(*first, SPAN));
            }
        }
        slot_at
    }

    /// Reserves the slot that [`NumberPacer::next_slot`] returns.
    pub fn reserve(&mut self, now: Timestamp) -> Timestamp {
        self.reserve_from(now, now)
    }

    /// Reserves the slot that [`NumberPacer::next_slot_from`] returns.
    pub fn reserve_from(&mut self, now: Timestamp, ready_at: Timestamp) -> Timestamp {
        let n_past = self.slots.partition_point(|slot| later(*slot, SPAN) <= now);
        self.slots.drain(..n_past);
        let slot_at = self.next_slot_from(now, ready_at);
        let index = self.slots.partition_point(|slot| *slot <= slot_at);
        self.slots.insert(index, slot_at);
        slot_at
    }

    /// Releases a reserved slot. A slot whose time has come counts as used, because its message may be on its way.
    pub fn release(&mut self, slot_at: Timestamp, now: Timestamp) {
        if slot_at > now
            && let Ok(index) = self.slots.binary_search(&slot_at)
        {
            self.slots.remove(index);
        }
    }

    /// Returns the number of messages that may leave now.
    pub fn capacity(&self, now: Timestamp) -> u32 {
        self.limit(now).saturating_sub(self.n_used(now))
    }

    /// Returns the number of campaign messages that may leave now. They use a share of the limit only, so that replies
    /// have capacity, but at least one message per second if nothing else is sent.
    pub fn capacity_for_campaigns(&self, now: Timestamp, share_percent: u32) -> u32 {
        let limit = u64::from(self.limit(now));
        let share = limit.saturating_mul(u64::from(share_percent)) / 100;
        let share = u32::try_from(share.min(limit)).unwrap_or(u32::MAX).max(1);
        share.saturating_sub(self.n_used(now))
    }

    /// Records that Meta refused a message because of the number's rate. The current limit is halved, once per second
    /// at most, down to a tenth of the throughput. It grows by a tenth with each full second without a refusal.
    /// Reserved slots are kept.
    pub fn record_throttled(&mut self, now: Timestamp) {
        let tenths = self.tenths(now);
        let slowed = match self.slowed {
            // Messages that were on their way at the first refusal are refused too; these refusals count once.
            Some(slowed) if now.duration_since(slowed.halved_at) < SECOND => {
                Slowed { tenths, clean_since: now.max(slowed.clean_since), ..slowed }
            }
            Some(_) | None => {
                Slowed { tenths: (tenths / 2).max(self.throughput.into()), halved_at: now, clean_since: now }
            }
        };
        self.slowed = Some(slowed);
    }

    /// Returns the current limit in tenths of a message.
    fn tenths(&self, now: Timestamp) -> u64 {
        let tenth = u64::from(self.throughput);
        let full = tenth.saturating_mul(10);
        let Some(Slowed { tenths, clean_since, .. }) = self.slowed else { return full };
        let n_clean = u64::try_from(now.duration_since(clean_since).as_secs()).unwrap_or(0);
        tenths.saturating_add(n_clean.saturating_mul(tenth)).clamp(tenth, full)
    }

    /// Returns the number of slots in the fullest period that includes `now`.
    fn n_used(&self, now: Timestamp) -> u32 {
        let from = self.slots.partition_point(|slot| later(*slot, SPAN) <= now);
        let to = self.slots.partition_point(|slot| *slot <= now);
        let until = |start| self.slots.partition_point(|slot| *slot < later(start, SPAN));
        let starts = self.slots.range(from..to).enumerate();
        // A period begins at a slot, or at `now` if there is no earlier slot.
        let n_used = starts
            .map(|(index, start)| until(*start).saturating_sub(from.saturating_add(index)))
            .chain([until(now).saturating_sub(to)])
            .max();
        u32::try_from(n_used.unwrap_or(0)).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn us(us: i64) -> Timestamp {
        Timestamp::from_microsecond(1_767_225_600_000_000 + us).expect("a time")
    }

    fn at(ms: i64) -> Timestamp {
        us(ms * 1_000)
    }

    #[test]
    fn the_81st_message_waits_for_the_first_to_be_a_second_old() {
        let mut pace = NumberPacer::new(80);
        for i in 0..80 {
            assert_eq!(pace.capacity(at(i)), 80 - u32::try_from(i).expect("small"));
            assert_eq!(pace.reserve(at(i)), at(i));
        }
        assert_eq!(pace.capacity(at(80)), 0);
        assert_eq!(pace.next_slot(at(80)), at(1_025));
        assert_eq!(pace.reserve(at(80)), at(1_025));
        assert_eq!(pace.reserve(at(80)), at(1_026));
    }

    #[test]
    fn a_throughput_of_zero_is_one() {
        let mut pace = NumberPacer::new(0);
        assert_eq!((pace.reserve(at(0)), pace.reserve(at(0))), (at(0), at(1_025)));
        pace.set_throughput(0);
        assert_eq!(pace.limit(at(0)), 1);
    }

    #[test]
    fn a_turn_far_ahead_leaves_the_present_free() {
        let mut pace = NumberPacer::new(2);
        assert_eq!(pace.reserve_from(at(0), at(5_000)), at(5_000));
        assert_eq!(pace.capacity(at(0)), 2);
        assert_eq!((pace.reserve(at(0)), pace.reserve(at(0))), (at(0), at(0)));
        assert_eq!(pace.reserve(at(0)), at(1_025));
        assert_eq!((pace.capacity(at(4_500)), pace.capacity(at(3_900))), (1, 2));
        // Near the booked slot there is one index less.
        assert_eq!(pace.reserve(at(4_500)), at(4_500));
        assert_eq!(pace.reserve(at(4_500)), at(5_525));
    }

    #[test]
    fn a_turn_given_back_is_taken_by_the_next() {
        let mut pace = NumberPacer::new(1);
        pace.reserve(at(0));
        assert_eq!((pace.reserve(at(0)), pace.reserve(at(0))), (at(1_025), at(2_050)));
        pace.release(at(1_025), at(10));
        assert_eq!(pace.reserve(at(10)), at(1_025));
        // Not one that may have been used, nor one that was never booked.
        pace.release(at(1_025), at(1_025));
        pace.release(at(1_500), at(1_025));
        assert_eq!(pace.next_slot(at(1_030)), at(3_075));
    }

    #[test]
    fn a_refusal_halves_down_to_a_tenth() {
        let mut pace = NumberPacer::new(80);
        let mut limits = Vec::new();
        for second in 0..5 {
            pace.record_throttled(at(second * 1_000));
            limits.push(pace.limit(at(second * 1_000)));
        }
        // The seconds between had no refusal: each gave a tenth back before the next halving.
        assert_eq!(limits, [40, 24, 16, 12, 10]);
        for ms in 5..30 {
            pace.record_throttled(at(ms * 999));
        }
        assert_eq!(pace.limit(at(29 * 999)), 8);
    }

    #[test]
    fn refusals_of_one_second_count_once() {
        let mut pace = NumberPacer::new(80);
        for ms in 0..1_000 {
            pace.record_throttled(at(ms));
        }
        assert_eq!(pace.limit(at(999)), 40);
        pace.record_throttled(at(1_000));
        assert_eq!(pace.limit(at(1_000)), 20);
    }

    #[test]
    fn a_tenth_comes_back_with_each_full_second() {
        let mut pace = NumberPacer::new(80);
        pace.record_throttled(at(0));
        for (ms, limit) in
            [(0, 40), (999, 40), (1_000, 48), (2_999, 56), (4_999, 72), (5_000, 80), (900_000, 80)]
        {
            assert_eq!(pace.limit(at(ms)), limit, "{ms}");
        }
        // Half a second more of refusals: the second starts again.
        pace.record_throttled(at(500));
        assert_eq!((pace.limit(at(1_499)), pace.limit(at(1_500))), (40, 48));
    }

    #[test]
    fn small_numbers_are_slowed_and_recover_too() {
        let mut pace = NumberPacer::new(5);
        pace.record_throttled(at(0));
        let limits: Vec<_> = (0..7).map(|second| pace.limit(at(second * 1_000))).collect();
        assert_eq!(limits, [2, 3, 3, 4, 4, 5, 5]);
        let mut pace = NumberPacer::new(1);
        pace.record_throttled(at(0));
        assert_eq!(pace.limit(at(0)), 1);
    }

    #[test]
    fn a_slowed_number_leaves_what_is_booked() {
        let mut pace = NumberPacer::new(4);
        for _ in 0..8 {
            pace.reserve(at(0));
        }
        pace.record_throttled(at(100));
        // Four left at 0 and four leave at 1025: two in any second are allowed from now on.
        assert_eq!(pace.reserve(at(100)), at(2_050));
        assert_eq!(pace.reserve(at(100)), at(2_050));
        assert_eq!(pace.reserve(at(100)), at(3_075));
    }

    #[test]
    fn a_restart_does_not_forget_what_left() {
        let mut pace = NumberPacer::new(2);
        pace.seed([at(-100), at(-300), at(-5_000)]);
        assert_eq!(pace.capacity(at(0)), 0);
        assert_eq!(pace.next_slot(at(0)), at(725));
    }

    #[test]
    fn campaigns_leave_room_for_replies() {
        let mut pace = NumberPacer::new(10);
        assert_eq!(pace.capacity_for_campaigns(at(0), 70), 7);
        for _ in 0..7 {
            pace.reserve(at(0));
        }
        assert_eq!((pace.capacity_for_campaigns(at(0), 70), pace.capacity(at(0))), (0, 3));
        assert_eq!(NumberPacer::new(1).capacity_for_campaigns(at(0), 70), 1);
        assert_eq!(NumberPacer::new(10).capacity_for_campaigns(at(0), 200), 10);
    }

    /// The most of `times` (ascending) that any span of `span` holds.
    fn fullest(times: &[Timestamp], span: SignedDuration) -> usize {
        times
            .iter()
            .enumerate()
            .map(|(i, start)| times[i..].iter().take_while(|at| at.duration_since(*start) < span).count())
            .max()
            .unwrap_or(0)
    }

    #[derive(Clone, Debug)]
    enum Step {
        Reserve { ahead_us: i64, late_us: i64 },
        Release { which: prop::sample::Index },
        Refused,
        SetThroughput(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<(i64, Step)>> {
        let ahead = prop_oneof![3 => Just(0), 1 => 0_i64..3_000_000];
        let step = prop_oneof![
            12 => (ahead, 0_i64..=25_000).prop_map(|(ahead_us, late_us)| Step::Reserve { ahead_us, late_us }),
            1 => any::<prop::sample::Index>().prop_map(|which| Step::Release { which }),
            1 => Just(Step::Refused),
            1 => (1_u32..12).prop_map(Step::SetThroughput),
        ];
        prop::collection::vec((prop_oneof![Just(0), 0_i64..300_000], step), 1..200)
    }

    proptest! {
        #[test]
        fn no_second_ever_holds_more_than_the_throughput(
            steps in prop::collection::vec((0_i64..200_000, 0_i64..=25_000), 1..300),
            throughput in 1_u32..12,
        ) {
            let mut pace = NumberPacer::new(throughput);
            let (mut now, mut left) = (0, Vec::new());
            for (step, late) in steps {
                now += step;
                let slot_at = pace.reserve(us(now));
                prop_assert!(slot_at >= us(now));
                left.push(later(slot_at, SignedDuration::from_micros(late)));
            }
            left.sort();
            prop_assert!(fullest(&left, SECOND) <= usize::try_from(throughput).expect("small"));
        }

        #[test]
        fn each_turn_keeps_to_the_limit_in_force_when_it_is_planned(steps in steps(), throughput in 1_u32..12) {
            let mut pace = NumberPacer::new(throughput);
            let (mut now, mut most) = (0, throughput);
            let mut booked: Vec<(Timestamp, i64)> = Vec::new();
            for (step, what) in steps {
                now += step;
                match what {
                    Step::Reserve { ahead_us, late_us } => {
                        let limit = usize::try_from(pace.limit(us(now))).expect("small");
                        let slot_at = pace.reserve_from(us(now), us(now + ahead_us));
                        prop_assert!(slot_at >= us(now + ahead_us));
                        booked.push((slot_at, late_us));
                        booked.sort();
                        let near: Vec<_> = booked.iter().map(|(at, _)| *at)
                            .filter(|at| at.duration_since(slot_at).abs() < SPAN).collect();
                        let with_it = near.iter().filter(|start| **start <= slot_at)
                            .map(|start| near.iter().filter(|at| *at >= start && **at < later(*start, SPAN)).count())
                            .max();
                        prop_assert!(with_it.expect("itself") <= limit);
                    }
                    Step::Release { which } if !booked.is_empty() => {
                        let (slot_at, _) = booked[which.index(booked.len())];
                        pace.release(slot_at, us(now));
                        if slot_at > us(now) {
                            booked.remove(booked.iter().position(|(at, _)| *at == slot_at).expect("booked"));
                        }
                    }
                    Step::Release { .. } => {}
                    Step::Refused => pace.record_throttled(us(now)),
                    Step::SetThroughput(throughput) => {
                        most = most.max(throughput);
                        pace.set_throughput(throughput);
                    }
                }
            }
            let mut left: Vec<_> =
                booked.iter().map(|(at, late)| later(*at, SignedDuration::from_micros(*late))).collect();
            left.sort();
            prop_assert!(fullest(&left, SECOND) <= usize::try_from(most).expect("small"));
        }

        #[test]
        fn as_many_leave_now_as_there_is_room(
            steps in steps(), throughput in 1_u32..12, rest in 0_i64..1_100_000,
        ) {
            let mut pace = NumberPacer::new(throughput);
            let mut now = 0;
            for (step, what) in steps {
                now += step;
                match what {
                    Step::Reserve { ahead_us, .. } => {
                        pace.reserve_from(us(now), us(now + ahead_us));
                    }
                    Step::Release { .. } => {}
                    Step::Refused => pace.record_throttled(us(now)),
                    Step::SetThroughput(throughput) => pace.set_throughput(throughput),
                }
            }
            now += rest;
            for _ in 0..pace.capacity(us(now)) {
                prop_assert_eq!(pace.reserve(us(now)), us(now));
            }
            prop_assert!(pace.next_slot(us(now)) > us(now));
        }

        #[test]
        fn the_limit_stays_between_a_tenth_and_full(
            steps in prop::collection::vec(0_i64..3_000, 1..100), throughput in 1_u32..2_000,
        ) {
            let mut pace = NumberPacer::new(throughput);
            let mut now = 0;
            for step in steps {
                now += step;
                pace.record_throttled(at(now));
                prop_assert!((throughput / 10).max(1) <= pace.limit(at(now)) && pace.limit(at(now)) <= throughput);
            }
            prop_assert_eq!(pace.limit(at(now + 9_000)), throughput);
        }
    }
}
