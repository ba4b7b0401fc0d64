//! Meta's limits: messages per second and number, messages per pair, management calls per hour.
//!
//! **Invariant:** no window of one second ever holds more accepted messages of a number than its limit; a pair's debt
//! never exceeds its burst.

use std::collections::{BTreeMap, VecDeque};

use crate::{clock::HOUR, settings::Settings};

/// A second, in microseconds.
const WINDOW_US: i64 = 1_000_000;

/// The counters.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    /// Microseconds of the messages of the last second, by number.
    sent: BTreeMap<String, VecDeque<i64>>,
    /// Debt of each pair: milliseconds, and the time at which it was computed.
    debts: BTreeMap<String, (i64, i64)>,
    /// Management calls of the last hour, by WABA: one counter per minute.
    calls: BTreeMap<String, VecDeque<(i64, u32)>>,
}

impl Throttle {
    /// `true` if the number can send one more message now.
    pub(crate) fn has_room(&mut self, number_id: &str, now_us: i64, settings: &Settings) -> bool {
        let Some(sent) = self.sent.get_mut(number_id) else { return settings.throughput > 0 };
        while sent.front().is_some_and(|at| *at <= now_us - WINDOW_US) {
            sent.pop_front();
        }
        sent.len() < usize::try_from(settings.throughput).unwrap_or(usize::MAX)
    }

    /// `true` if the pair can take one more message now.
    pub(crate) fn pair_has_room(&self, pair: &str, now: i64, settings: &Settings) -> bool {
        let (cost, most) = pair_terms(settings);
        most == 0 || self.debt(pair, now) + cost <= most
    }

    /// Counts an accepted message.
    pub(crate) fn count(&mut self, number_id: &str, pair: &str, now_us: i64, settings: &Settings) {
        self.sent.entry(number_id.to_owned()).or_default().push_back(now_us);
        let now = now_us.div_euclid(1_000);
        let debt = self.debt(pair, now) + pair_terms(settings).0;
        self.debts.insert(pair.to_owned(), (debt, now));
        if self.debts.len() > 100_000 {
            self.debts.retain(|_, (debt, at)| now - *at < *debt);
        }
    }

    /// Counts a management call and says how many there were in the last hour, this one included.
    pub(crate) fn count_call(&mut self, waba_id: &str, now: i64) -> u32 {
        let calls = self.calls.entry(waba_id.to_owned()).or_default();
        let minute = now.div_euclid(60_000);
        while calls.front().is_some_and(|(at, _)| *at <= minute - HOUR / 60_000) {
            calls.pop_front();
        }
        match calls.back_mut() {
            Some((at, count)) if *at == minute => *count += 1,
            _ => calls.push_back((minute, 1)),
        }
        calls.iter().map(|(_, count)| count).sum()
    }

    fn debt(&self, pair: &str, now: i64) -> i64 {
        self.debts.get(pair).map_or(0, |(debt, at)| (debt - (now - at)).max(0))
    }
}

fn pair_terms(settings: &Settings) -> (i64, i64) {
    let cost = i64::from(settings.pair_seconds) * 1_000;
    (cost, cost * i64::from(settings.pair_burst))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_window_of_a_second_exceeds_the_limit(
            gaps in proptest::collection::vec(0_i64..200_000, 1..200),
            limit in 1_u32..20,
        ) {
            let settings = Settings { throughput: limit, pair_burst: 0, ..Settings::default() };
            let mut throttle = Throttle::default();
            let (mut now, mut taken) = (0_i64, Vec::new());
            for gap in gaps {
                now += gap;
                if throttle.has_room("n", now, &settings) {
                    throttle.count("n", "p", now, &settings);
                    taken.push(now);
                }
            }
            for start in &taken {
                let n = taken.iter().filter(|at| **at >= *start && **at < start + WINDOW_US).count();
                prop_assert!(n <= usize::try_from(limit).unwrap());
            }
        }
    }

    #[test]
    fn a_pair_may_borrow_45_messages_and_then_one_per_six_seconds() {
        let settings = Settings::default();
        let mut throttle = Throttle::default();
        for _ in 0..45 {
            assert!(throttle.pair_has_room("p", 0, &settings));
            throttle.count("n", "p", 0, &settings);
        }
        assert!(!throttle.pair_has_room("p", 5_999, &settings));
        assert!(throttle.pair_has_room("p", 6_000, &settings));
        throttle.count("n", "p", 6_000_000, &settings);
        assert!(!throttle.pair_has_room("p", 6_000, &settings));
        assert!(throttle.pair_has_room("other", 6_000, &settings));
    }
}
