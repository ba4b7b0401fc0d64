//! Suspension of accounts: nothing is sent until the account is resumed.
//!
//! A suspension that may end without notice is probed: one queued message at a time is sent, and its acceptance ends the
//! suspension.

use jiff::SignedDuration;

use crate::meta_error::MetaError;
use crate::text_enum;

/// Wait before the first probe of a suspended account, and the minimum wait before the next probe.
pub const FIRST_PROBE_WAIT: SignedDuration = SignedDuration::from_secs(60);
/// Maximum wait before the next probe.
pub const MAX_PROBE_WAIT: SignedDuration = SignedDuration::from_mins(15);
/// Time after a resumption by a probe in which a new suspension continues the waits of the previous suspension.
const PROBE_MEMORY: SignedDuration = SignedDuration::from_hours(1);

/// Returns the wait after a probe that followed the wait `previous`.
pub fn next_probe_wait(previous: SignedDuration) -> SignedDuration {
    previous.saturating_mul(2).clamp(FIRST_PROBE_WAIT, MAX_PROBE_WAIT)
}

/// Returns the wait before the first probe of a suspension. `previous` is the next wait of the previous suspension, and
/// the time since a probe ended that suspension.
pub fn first_probe_wait(previous: Option<(SignedDuration, SignedDuration)>) -> SignedDuration {
    match previous {
        // Meta accepts the messages of some accounts and fails them later: each resumption costs messages.
        Some((wait, since)) if since < PROBE_MEMORY => wait.clamp(FIRST_PROBE_WAIT, MAX_PROBE_WAIT),
        Some(_) | None => FIRST_PROBE_WAIT,
    }
}

/// Returns `true` if a suspension after this error is probed. A refused access token does not become valid again.
pub fn is_probed(error: &MetaError) -> bool {
    !error.is_token_error()
}

/// Change of the suspension of the accounts of a WhatsApp Business Account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SuspensionChange {
    /// The accounts are suspended.
    Suspend(SuspensionCause, &'static str),
    /// The suspension for this cause ends.
    Resume(SuspensionCause),
}

text_enum! {
    /// Cause of a suspension.
    pub enum SuspensionCause {
        /// Meta refused a message or the access token.
        Refused = "refused",
        /// Meta has disabled the WhatsApp Business Account.
        Disabled = "disabled",
        /// The app was removed from the WhatsApp Business Account.
        AppRemoved = "app_removed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minutes(n: i64) -> SignedDuration {
        SignedDuration::from_mins(n)
    }

    #[test]
    fn the_wait_doubles_from_one_minute_to_fifteen_minutes() {
        let mut wait = first_probe_wait(None);
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(wait.as_mins());
            wait = next_probe_wait(wait);
        }
        assert_eq!(waits, [1, 2, 4, 8, 15, 15]);
    }

    #[test]
    fn a_suspension_soon_after_a_resumption_continues_the_waits() {
        assert_eq!(first_probe_wait(Some((minutes(8), minutes(59)))), minutes(8));
        assert_eq!(first_probe_wait(Some((minutes(8), minutes(60)))), minutes(1));
    }

    #[test]
    fn a_refused_token_is_not_probed() {
        for (code, expected) in [(0, false), (102, false), (104, false), (190, false), (131_042, true)] {
            assert_eq!(is_probed(&MetaError { code, ..MetaError::default() }), expected, "{code}");
        }
    }
}
