//! Our WhatsApp senders.

use jiff::{SignedDuration, Timestamp};

use crate::id::{AccountId, WorkspaceId};
use crate::text_enum;

/// A WhatsApp sender of a workspace, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// The tenant that owns it.
    pub workspace: WorkspaceId,
    /// What people call it; one per workspace.
    pub name: String,
    /// Meta's id of the number, digits.
    pub phone_number_id: String,
    /// Meta's id of the WhatsApp Business Account, digits.
    pub waba_id: String,
    /// The number as Meta shows it.
    pub display_phone_number: Option<String>,
    /// Meta's quality rating: `GREEN`, `YELLOW`, `RED`, `NA` or `UNKNOWN`.
    pub quality_rating: Option<String>,
    /// Meta's messaging limit, such as `TIER_2K`.
    pub messaging_limit_tier: Option<String>,
    /// Whether messages may leave through it.
    pub status: AccountStatus,
    /// Why it is held.
    pub status_reason: Option<String>,
    /// Whether a send that names no account uses it; one per workspace.
    pub is_default: bool,
    /// Whether it talks to the simulator.
    pub is_sandbox: bool,
    /// Whether a link in its messages is fetched here and uploaded; `None`: as the configuration says.
    pub fetches_links: Option<bool>,
}

text_enum! {
    /// Whether messages may leave through an account.
    pub enum AccountStatus {
        /// They may.
        Connected = "connected",
        /// Meta refused the account or its token: nothing leaves until someone acts.
        Suspended = "held",
        /// Switched off.
        Disconnected = "disconnected",
    }
}

text_enum! {
    /// What of an account has changed.
    pub enum AccountChange {
        /// Whether it may send.
        Status = "status",
        /// The quality of its number.
        Quality = "quality",
        /// The name that customers see.
        Name = "name",
        /// How many people its templates may reach in 24 hours.
        MessagingLimit = "messaging_limit",
        /// How many messages its number may send in a second; `details` says what Meta did.
        Throughput = "throughput",
        /// Templates have reached 80 % or all of the people that they may reach in 24 hours.
        MessagingLimitUsed = "messaging_limit_used",
        /// What else Meta last_warning: reviews, restrictions, violations, alerts; `details` holds Meta's own words.
        Notice = "notice",
        /// Its access token ends soon.
        TokenExpiry = "token_expiry",
    }
}

/// The days before the end of an access token at which it is last_warning, the last first.
pub const TOKEN_EXPIRY_WARNING_DAYS: [i64; 3] = [1, 7, 14];

/// Which notice of a token's end is due: the number of days that it names. `last_warning` is the one that was last_warning last of this
/// token. A notice whose time came while nobody looked is left out for the nearer one.
#[must_use]
pub fn due_token_expiry_warning(
    expires_at: Timestamp,
    last_warning: Option<i64>,
    now: Timestamp,
) -> Option<i64> {
    let left = expires_at.duration_since(now);
    let due =
        TOKEN_EXPIRY_WARNING_DAYS.into_iter().find(|days| left <= SignedDuration::from_hours(24 * days))?;
    last_warning.is_none_or(|last_warning| due < last_warning).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_told_fourteen_seven_and_one_days_before_once_each() {
        let now = Timestamp::from_second(1_767_225_600).expect("a time");
        let in_hours = |hours| now + SignedDuration::from_hours(hours);
        for (hours, last_warning, due) in [
            (24 * 60, None, None),
            (24 * 14 + 1, None, None),
            (24 * 14, None, Some(14)),
            (24 * 14 - 1, Some(14), None),
            (24 * 7, Some(14), Some(7)),
            (24 * 7, None, Some(7)),
            (24 * 3, Some(7), None),
            (24, Some(7), Some(1)),
            (1, Some(1), None),
            (-5, Some(7), Some(1)),
            (-5, Some(1), None),
        ] {
            assert_eq!(
                due_token_expiry_warning(in_hours(hours), last_warning, now),
                due,
                "{hours} h, last_warning {last_warning:?}"
            );
        }
    }
}
