//! Pacing of messages to Meta: send slots for each number and for each pair of number and recipient (Meta: Throughput,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/overview>).
//!
//! [`AccountPacer::reserve`] reserves the first slot that both the number and the pair allow. A message that waits for
//! its pair takes no earlier slot of the number, so that it delays no other message.
//!
//! **Invariant:** the slots of an account depend on that account only. The wait of a recipient moves no slot of
//! another recipient, except that a reserved slot is one of the number's slots.

mod lateness;
pub mod number;
pub mod pair;
pub mod spam;

use std::collections::BTreeMap;
use std::ops::Bound;

use jiff::Timestamp;

pub use self::lateness::LATENESS_MARGIN;
use self::number::NumberPacer;
use self::pair::PairPacer;
use self::spam::SpamPacer;
use crate::id::AccountId;
use crate::messages::retry::ThrottleScope;

/// Default number of messages that a number may send per second.
pub const DEFAULT_THROUGHPUT: u32 = 80;

/// Number of pairs that one reservation scans for idle pairs: more than the one that it may add.
const PAIRS_PER_SCAN: usize = 4;

/// Pacers of all accounts.
#[derive(Clone, Debug)]
pub struct Pacers {
    throughput: u32,
    has_pair_rule: bool,
    accounts: BTreeMap<AccountId, AccountPacer>,
}

impl Pacers {
    /// Creates pacers without accounts; each new account may send `throughput` messages per second. Without the pair
    /// rule, a recipient waits only after Meta has refused a message.
    pub fn new(throughput: u32, has_pair_rule: bool) -> Self {
        Self { throughput, has_pair_rule, accounts: BTreeMap::new() }
    }

    /// Returns the pacer of an account, a new one if the account is not known.
    pub fn of(&mut self, account: AccountId) -> &mut AccountPacer {
        self.accounts.entry(account).or_insert_with(|| AccountPacer {
            has_pair_rule: self.has_pair_rule,
            ..AccountPacer::new(self.throughput)
        })
    }

    /// Removes all pacers.
    pub fn clear(&mut self) {
        self.accounts.clear();
    }

    /// Removes the pacer of an account.
    pub fn remove(&mut self, account: AccountId) {
        self.accounts.remove(&account);
    }
}

/// Pacer of one account: of its number and of its pairs with recipients.
///
/// A recipient is identified by its digits or its user id, as the message is addressed.
#[derive(Clone, Debug)]
pub struct AccountPacer {
    number: NumberPacer,
    spam: SpamPacer,
    has_pair_rule: bool,
    pairs: BTreeMap<String, PairPacer>,
    /// Position at which the scan for idle pairs continues.
    scan_position: String,
}

impl AccountPacer {
    /// Creates a pacer for a number that has sent nothing and may send `throughput` messages per second.
    pub fn new(throughput: u32) -> Self {
        Self {
            number: NumberPacer::new(throughput),
            spam: SpamPacer::default(),
            has_pair_rule: true,
            pairs: BTreeMap::new(),
            scan_position: String::new(),
        }
    }

    /// Adds messages that were sent before a restart. Messages of the last two seconds matter for the number, those of
    /// the last five minutes for the pairs.
    pub fn seed(&mut self, recent_sends: impl IntoIterator<Item = (String, Timestamp)>) {
        let mut recent_sends: Vec<_> = recent_sends.into_iter().collect();
        recent_sends.sort_by_key(|(_, at)| *at);
        self.number.seed(recent_sends.iter().map(|(_, at)| *at));
        if !self.has_pair_rule {
            return;
        }
        for (recipient, at) in recent_sends {
            self.pairs.entry(recipient).or_default().record(at);
        }
    }

    /// Sets the maximum number of messages per second.
    pub fn set_throughput(&mut self, throughput: u32) {
        self.number.set_throughput(throughput);
    }

    /// Returns the pacer of the number.
    pub fn number(&self) -> &NumberPacer {
        &self.number
    }

    /// Returns the next send slot for a message to `recipient`, now or later, without a reservation.
    pub fn next_slot(&self, recipient: &str, now: Timestamp) -> Timestamp {
        self.number.next_slot_from(now, self.ready_at(recipient, now))
    }

    /// Returns the time at which the pair allows a message, now or later. The queue skips a recipient whose time is
    /// later.
    pub fn pair_ready_at(&self, recipient: &str, now: Timestamp) -> Timestamp {
        self.pairs.get(recipient).and_then(|pair| pair.available_at(now)).unwrap_or(now)
    }

    /// Returns the time at which the pair and the spam limit allow a message, now or later.
    fn ready_at(&self, recipient: &str, now: Timestamp) -> Timestamp {
        self.pair_ready_at(recipient, now).max(self.spam.next_at().unwrap_or(now))
    }

    /// Reserves the slot that [`AccountPacer::next_slot`] returns. The message leaves at its slot, at most
    /// [`LATENESS_MARGIN`] later.
    pub fn reserve(&mut self, recipient: &str, now: Timestamp) -> Timestamp {
        self.remove_idle_pairs(now);
        let ready_at = self.ready_at(recipient, now);
        let slot_at = self.number.reserve_from(now, ready_at);
        self.spam.record(slot_at);
        match self.pairs.get_mut(recipient) {
            _ if !self.has_pair_rule => {}
            Some(pair) => pair.record(slot_at),
            None => self.pairs.entry(recipient.to_owned()).or_default().record(slot_at),
        }
        slot_at
    }

    /// Releases a reserved slot whose message was not sent.
    pub fn release(&mut self, recipient: &str, slot_at: Timestamp, now: Timestamp) {
        self.number.release(slot_at, now);
        if let Some(pair) = self.pairs.get_mut(recipient) {
            pair.release();
        }
    }

    /// Returns the recipients that must wait, each with the end of its wait.
    pub fn throttled_recipients(&self, now: Timestamp) -> BTreeMap<String, Timestamp> {
        let waiting = self
            .pairs
            .iter()
            .filter_map(|(recipient, pair)| Some((recipient.clone(), pair.available_at(now)?)));
        waiting.collect()
    }

    /// Returns the number of messages that the number may send now.
    pub fn capacity(&self, now: Timestamp) -> u32 {
        self.spam.capacity(self.number.capacity(now), now)
    }

    /// Returns the number of campaign messages that the number may send now. The rest of its capacity is for replies.
    pub fn capacity_for_campaigns(&self, now: Timestamp, share_percent: u32) -> u32 {
        self.spam.capacity(self.number.capacity_for_campaigns(now, share_percent), now)
    }

    /// Records that Meta refused a message to `recipient` because of its rate, and slows the scope.
    pub fn record_throttled(&mut self, recipient: &str, slow: ThrottleScope, now: Timestamp) {
        match slow {
            ThrottleScope::Number => self.number.record_throttled(now),
            ThrottleScope::Spam => self.spam.record_throttled(now),
            ThrottleScope::Pair => self.pairs.entry(recipient.to_owned()).or_default().record_throttled(now),
        }
    }

    /// Records that Meta accepted a message to `recipient`.
    pub fn record_accepted(&mut self, recipient: &str, now: Timestamp) {
        self.spam.record_accepted();
        if let Some(pair) = self.pairs.get_mut(recipient) {
            pair.record_accepted(now);
        }
    }

    /// Records that Meta failed a message because of spam after it had accepted the message.
    pub fn record_spam(&mut self, now: Timestamp) {
        self.spam.record_throttled(now);
    }

    /// Removes a few idle pairs. Each reservation adds at most one pair and scans more than one, so that the map stays
    /// near the number of active pairs.
    fn remove_idle_pairs(&mut self, now: Timestamp) {
        let from = (Bound::Excluded(self.scan_position.as_str()), Bound::Unbounded);
        let scanned: Vec<(String, bool)> = self
            .pairs
            .range::<str, _>(from)
            .take(PAIRS_PER_SCAN)
            .map(|(recipient, pair)| (recipient.clone(), pair.is_idle(now)))
            .collect();
        self.scan_position = match scanned.last() {
            Some((recipient, _)) if scanned.len() == PAIRS_PER_SCAN => recipient.clone(),
            Some(_) | None => String::new(),
        };
        for (recipient, _) in scanned.into_iter().filter(|(_, is_idle)| *is_idle) {
            self.pairs.remove(&recipient);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + ms).expect("a time")
    }

    fn account(n: u8) -> AccountId {
        AccountId::from_bytes([n; 16])
    }

    #[test]
    fn a_message_leaves_at_once_when_nothing_is_in_its_way() {
        let mut pace = AccountPacer::new(80);
        assert_eq!(pace.next_slot("a", at(0)), at(0));
        assert_eq!(pace.reserve("a", at(0)), at(0));
    }

    #[test]
    fn the_46th_message_to_one_person_waits_and_the_first_to_another_does_not() {
        let mut pace = AccountPacer::new(80);
        for _ in 0..45 {
            assert_eq!(pace.reserve("a", at(0)), at(0));
        }
        assert_eq!(pace.reserve("a", at(0)), at(6_025));
        assert_eq!(pace.reserve("b", at(0)), at(0));
    }

    #[test]
    fn accounts_have_nothing_in_common() {
        let mut paces = Pacers::new(1, true);
        assert_eq!(paces.of(account(1)).reserve("a", at(0)), at(0));
        paces.of(account(1)).record_throttled("a", ThrottleScope::Pair, at(0));
        assert_eq!(paces.of(account(1)).next_slot("a", at(0)), at(1_025));
        assert_eq!(paces.of(account(2)).next_slot("a", at(0)), at(0));
        paces.remove(account(1));
        assert_eq!(paces.of(account(1)).next_slot("a", at(0)), at(0));
    }

    #[test]
    fn a_refused_pair_waits_alone() {
        let mut pace = AccountPacer::new(80);
        pace.reserve("a", at(0));
        pace.record_throttled("a", ThrottleScope::Pair, at(10));
        assert_eq!(pace.next_slot("a", at(10)), at(1_010));
        assert_eq!(pace.next_slot("b", at(10)), at(10));
        pace.record_accepted("a", at(1_020));
        assert_eq!(pace.next_slot("a", at(1_020)), at(1_020));
    }

    #[test]
    fn a_refused_number_is_slower_for_all() {
        let mut pace = AccountPacer::new(80);
        pace.record_throttled("a", ThrottleScope::Number, at(0));
        assert_eq!(pace.number().limit(at(0)), 40);
        assert_eq!(pace.capacity(at(0)), 40);
        assert_eq!(pace.capacity_for_campaigns(at(0), 50), 20);
    }

    #[test]
    fn a_released_turn_is_free_again() {
        let mut pace = AccountPacer::new(1);
        pace.reserve("a", at(0));
        let slot_at = pace.reserve("b", at(0));
        pace.release("b", slot_at, at(1));
        assert_eq!(pace.reserve("c", at(1)), slot_at);
    }

    #[test]
    fn a_restart_forgets_neither_the_number_nor_the_pairs() {
        let mut pace = AccountPacer::new(2);
        pace.seed([("b".to_owned(), at(900)), ("a".to_owned(), at(800))]);
        assert_eq!(pace.next_slot("c", at(1_000)), at(1_825));
        let mut pace = AccountPacer::new(80);
        pace.seed((0..45).map(|_| ("a".to_owned(), at(0))));
        assert_eq!(pace.next_slot("a", at(2_000)), at(6_025));
        assert_eq!(pace.next_slot("b", at(2_000)), at(2_000));
    }

    #[test]
    fn pairs_that_owe_nothing_are_forgotten() {
        let mut pace = AccountPacer::new(1_000);
        // A hundred a second to ever new people: six seconds' worth of them owe something.
        for i in 0..20_000 {
            pace.reserve(&format!("{i:05}"), at(i * 10));
            assert!(pace.pairs.len() <= 1_300, "{}", pace.pairs.len());
        }
        for i in 0..1_000 {
            pace.reserve("a", at(300_000 + i * 10_000));
        }
        assert_eq!(pace.pairs.len(), 1);
    }

    proptest! {
        #[test]
        fn what_is_foreseen_is_what_is_booked(
            steps in prop::collection::vec((0_i64..400, 0_u8..3, 0_u8..8), 1..300),
            throughput in 1_u32..20,
        ) {
            let mut pace = AccountPacer::new(throughput);
            let mut now = 0;
            for (step, recipient, what) in steps {
                now += step;
                let recipient = recipient.to_string();
                match what {
                    0 => pace.record_throttled(&recipient, ThrottleScope::Number, at(now)),
                    1 => pace.record_throttled(&recipient, ThrottleScope::Pair, at(now)),
                    _ => {
                        let foreseen = pace.next_slot(&recipient, at(now));
                        prop_assert!(foreseen >= at(now));
                        prop_assert!(foreseen >= pace.pair_ready_at(&recipient, at(now)));
                        prop_assert_eq!(pace.reserve(&recipient, at(now)), foreseen);
                    }
                }
            }
        }

        #[test]
        fn one_persons_wait_never_moves_anothers_turn(
            n_waiting in 0_usize..60,
            others in prop::collection::vec((0_i64..300, 0_u8..4), 1..100),
            throughput in 1_u32..20,
        ) {
            let mut alone = AccountPacer::new(throughput);
            let mut beside = AccountPacer::new(throughput);
            // Refused over and over: the next message to this person may leave in 1024 seconds.
            for i in 0..6 {
                beside.record_throttled("waiting", ThrottleScope::Pair, at(i * 1_000_000 - 5_000_000));
            }
            let mut now = 0;
            for (i, (step, recipient)) in others.into_iter().enumerate() {
                now += step;
                if i < n_waiting {
                    prop_assert!(beside.reserve("waiting", at(now)) > at(1_000_000));
                }
                let recipient = recipient.to_string();
                prop_assert_eq!(beside.reserve(&recipient, at(now)), alone.reserve(&recipient, at(now)));
                prop_assert_eq!(beside.capacity(at(now)), alone.capacity(at(now)));
            }
        }
    }
}
