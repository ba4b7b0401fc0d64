//! Sample of the log lines that clients can cause: some lines a minute of each kind.
//!
//! **Invariant:** clients cannot fill the log, however often they cause a line. Counters count each case.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Maximum number of lines of a kind in one minute.
pub const MAX_PER_MINUTE: u32 = 10;

/// Number of lines that were written of each kind.
#[derive(Debug, Default)]
pub struct SampledLog(Mutex<BTreeMap<&'static str, Minute>>);

/// Lines of one kind in the current minute.
#[derive(Clone, Copy, Debug)]
struct Minute {
    begun_at: Timestamp,
    n_logged: u32,
    n_skipped: u64,
}

impl SampledLog {
    /// Decides about a line. Returns the number of lines of the kind that were skipped before, or `None` if this line is
    /// skipped.
    ///
    /// The name of a kind is from a closed list, so that the number of kinds is bounded.
    pub fn admit(&self, kind: &'static str, now: Timestamp) -> Option<u64> {
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = Minute { begun_at: now, n_logged: 0, n_skipped: 0 };
        let minute = minutes.entry(kind).or_insert(new);
        // The absolute value: a clock that was set back begins a new minute as well.
        if now.duration_since(minute.begun_at).abs() >= SignedDuration::from_secs(60) {
            *minute = Minute { n_skipped: minute.n_skipped, ..new };
        }
        if minute.n_logged >= MAX_PER_MINUTE {
            minute.n_skipped = minute.n_skipped.saturating_add(1);
            return None;
        }
        minute.n_logged = minute.n_logged.saturating_add(1);
        Some(std::mem::take(&mut minute.n_skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_has_ten_lines_per_minute_and_the_next_line_has_the_number_of_skipped_lines() {
        let log = SampledLog::default();
        let at = |second| Timestamp::from_second(second).unwrap();
        let logged = (0..25).filter(|_| log.admit("not_found", at(0)).is_some()).count();
        assert_eq!(logged, 10);
        assert_eq!(log.admit("forbidden", at(59)), Some(0));
        assert_eq!(log.admit("not_found", at(59)), None);
        assert_eq!(log.admit("not_found", at(60)), Some(16));
        assert_eq!(log.admit("not_found", at(60)), Some(0));
    }
}
