//! Limits on failed logins.
//!
//! An attempt is counted as failed when it begins, so that parallel attempts do not evade the limit. An attempt that
//! succeeds, or whose password could not be checked, is removed from the count.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use crate::time::later;

/// Failures of one name from one address before the first wait.
const FREE_FAILURES: u32 = 5;
/// Wait after the last free failure. The wait doubles with each further failure.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(60);
/// Maximum wait, and the time for which a failure is counted after it.
const MAX_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// Failures from one address with any names, or of one name from any addresses, within [`MAX_WAIT`] that block further
/// attempts.
const LOCKOUT_FAILURES: u32 = 50;
/// Maximum number of names, addresses and pairs that are stored.
const MAX_ENTRIES: usize = 10_000;

/// An attempt to log in: the name, and the address if it is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginAttempt {
    name: String,
    address: Option<IpAddr>,
}

impl LoginAttempt {
    /// Creates an attempt. Only the first 64 bits of an IPv6 address count, because one machine usually has all
    /// addresses of such a network.
    pub fn new(name: String, address: Option<IpAddr>) -> Self {
        let address = address.map(|address| match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 @ IpAddr::V4(_) => v4,
        });
        Self { name, address }
    }
}

/// Failed logins of the last minutes.
#[derive(Clone, Debug, Default)]
pub struct LoginThrottle {
    pairs: BTreeMap<(String, Option<IpAddr>), Failures>,
    names: BTreeMap<String, Failures>,
    addresses: BTreeMap<IpAddr, Failures>,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    n: u32,
    first_at: Timestamp,
    last_at: Timestamp,
}

impl Failures {
    /// Returns the time until which one name from one address must wait.
    fn backoff_until(&self) -> Option<Timestamp> {
        let beyond = self.n.checked_sub(FREE_FAILURES)?;
        let wait = FIRST_WAIT.as_secs().saturating_mul(1_i64.checked_shl(beyond.min(10))?);
        Some(later(self.last_at, SignedDuration::from_secs(wait).min(MAX_WAIT)))
    }

    /// Returns the time until which a name or an address with many failures is blocked.
    fn lockout_until(&self) -> Option<Timestamp> {
        (self.n >= LOCKOUT_FAILURES).then(|| self.counted_until())
    }

    /// Failures of a name or of an address are counted in periods that begin with the first failure.
    fn counted_until(&self) -> Timestamp {
        later(self.first_at, MAX_WAIT)
    }

    /// Failures of a pair are counted longer than the maximum wait, so that the wait can grow.
    fn counted_pair_until(&self) -> Timestamp {
        later(self.last_at, MAX_WAIT + MAX_WAIT)
    }
}

impl LoginThrottle {
    /// Counts an attempt.
    ///
    /// # Errors
    /// Returns the time from which the attempt may be made if it comes too early. The attempt is not counted then.
    pub fn begin(&mut self, attempt: &LoginAttempt, now: Timestamp) -> Result<(), Timestamp> {
        let LoginAttempt { name, address } = attempt;
        let pair = (name.clone(), *address);
        let until = [
            self.pairs
                .get(&pair)
                .filter(|pair| now < pair.counted_pair_until())
                .and_then(Failures::backoff_until),
            self.names.get(name).and_then(Failures::lockout_until),
            address.and_then(|address| self.addresses.get(&address)?.lockout_until()),
        ];
        if let Some(until) = until.into_iter().flatten().max().filter(|until| now < *until) {
            return Err(until);
        }
        count(&mut self.pairs, pair, now, Failures::counted_pair_until);
        count(&mut self.names, name.clone(), now, Failures::counted_until);
        if let Some(address) = address {
            count(&mut self.addresses, *address, now, Failures::counted_until);
        }
        Ok(())
    }

    /// Records that the password was right: the failures of the name from this address are deleted.
    pub fn succeed(&mut self, attempt: &LoginAttempt) {
        self.cancel(attempt);
        self.pairs.remove(&(attempt.name.clone(), attempt.address));
    }

    /// Removes an attempt whose password could not be checked.
    pub fn cancel(&mut self, attempt: &LoginAttempt) {
        let decrement = |failures: Option<&mut Failures>| {
            if let Some(failures) = failures {
                failures.n = failures.n.saturating_sub(1);
            }
        };
        decrement(self.pairs.get_mut(&(attempt.name.clone(), attempt.address)));
        decrement(self.names.get_mut(&attempt.name));
        decrement(attempt.address.and_then(|address| self.addresses.get_mut(&address)));
    }
}

/// Counts one failure. If the map is full, entries that no longer count are removed, or else the oldest entry.
fn count<K: Ord + Clone>(
    failures: &mut BTreeMap<K, Failures>,
    key: K,
    now: Timestamp,
    end: fn(&Failures) -> Timestamp,
) {
    if failures.len() >= MAX_ENTRIES && !failures.contains_key(&key) {
        failures.retain(|_, entry| now < end(entry));
        let oldest = failures.iter().min_by_key(|(_, entry)| entry.last_at).map(|(key, _)| key.clone());
        if failures.len() >= MAX_ENTRIES
            && let Some(oldest) = oldest
        {
            failures.remove(&oldest);
        }
    }
    let new = Failures { n: 0, first_at: now, last_at: now };
    let entry = failures.entry(key).or_insert(new);
    if end(entry) <= now {
        *entry = new;
    }
    (entry.n, entry.last_at) = (entry.n.saturating_add(1), now);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn attempt(name: &str, address: &str) -> LoginAttempt {
        LoginAttempt::new(name.to_owned(), Some(address.parse().unwrap()))
    }

    #[test]
    fn after_five_failures_the_wait_doubles_up_to_fifteen_minutes() {
        let mut throttle = LoginThrottle::default();
        let ada = attempt("ada", "192.0.2.1");
        for _ in 0..5 {
            assert_eq!(throttle.begin(&ada, at(0)), Ok(()));
        }
        let mut now = 0;
        for wait in [60, 120, 240, 480, 900, 900, 900] {
            assert_eq!(throttle.begin(&ada, at(now)), Err(at(now + wait)));
            assert_eq!(throttle.begin(&ada, at(now + wait - 1)), Err(at(now + wait)));
            now += wait;
            assert_eq!(throttle.begin(&ada, at(now)), Ok(()));
        }
        assert_eq!(throttle.begin(&ada, at(now + 1800)), Ok(()));
        for _ in 0..4 {
            assert_eq!(throttle.begin(&ada, at(now + 1800)), Ok(()));
        }
    }

    #[test]
    fn another_name_or_another_address_does_not_wait() {
        let mut throttle = LoginThrottle::default();
        for _ in 0..5 {
            throttle.begin(&attempt("ada", "192.0.2.1"), at(0)).unwrap();
        }
        assert!(throttle.begin(&attempt("ada", "192.0.2.1"), at(0)).is_err());
        assert_eq!(throttle.begin(&attempt("bob", "192.0.2.1"), at(0)), Ok(()));
        assert_eq!(throttle.begin(&attempt("ada", "192.0.2.2"), at(0)), Ok(()));
    }

    #[test]
    fn fifty_failures_from_one_address_or_of_one_name_block_further_attempts() {
        let mut throttle = LoginThrottle::default();
        for n in 0..50 {
            throttle.begin(&attempt(&format!("name-{n}"), "192.0.2.1"), at(n)).unwrap();
            throttle.begin(&attempt("ada", &format!("198.51.100.{n}")), at(n)).unwrap();
        }
        assert_eq!(throttle.begin(&attempt("other", "192.0.2.1"), at(60)), Err(at(900)));
        assert_eq!(throttle.begin(&attempt("ada", "203.0.113.1"), at(60)), Err(at(900)));
        assert_eq!(throttle.begin(&attempt("other", "203.0.113.1"), at(60)), Ok(()));
        assert_eq!(throttle.begin(&attempt("other", "192.0.2.1"), at(900)), Ok(()));
    }

    #[test]
    fn a_successful_login_deletes_the_failures_and_a_canceled_attempt_does_not_count() {
        let mut throttle = LoginThrottle::default();
        let ada = attempt("ada", "192.0.2.1");
        for _ in 0..100 {
            throttle.begin(&ada, at(0)).unwrap();
            throttle.cancel(&ada);
        }
        for _ in 0..100 {
            for _ in 0..4 {
                if throttle.begin(&ada, at(0)).is_err() {
                    // The address and the name keep their failures: a successful login does not reset them.
                    assert!(throttle.addresses.values().all(|failures| failures.n == 50));
                    return;
                }
            }
            throttle.succeed(&ada);
        }
        panic!("no attempt was rejected");
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one_address() {
        let mut throttle = LoginThrottle::default();
        for n in 0..5 {
            throttle.begin(&attempt("ada", &format!("2001:db8::{n}")), at(0)).unwrap();
        }
        assert!(throttle.begin(&attempt("ada", "2001:db8::ffff:1"), at(0)).is_err());
        assert_eq!(throttle.begin(&attempt("ada", "2001:db8:0:1::1"), at(0)), Ok(()));
    }

    #[test]
    fn the_number_of_stored_attempts_is_limited() {
        let mut throttle = LoginThrottle::default();
        for n in 0..MAX_ENTRIES + 10 {
            throttle.begin(&LoginAttempt::new(format!("name-{n}"), None), at(0)).unwrap();
        }
        assert_eq!((throttle.pairs.len(), throttle.names.len()), (MAX_ENTRIES, MAX_ENTRIES));
    }
}
