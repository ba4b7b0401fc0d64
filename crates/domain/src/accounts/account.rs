//! WhatsApp accounts that send messages.

use jiff::{SignedDuration, Timestamp};

use crate::id::{AccountId, WorkspaceId};
use crate::text_enum;

/// WhatsApp account of a workspace, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Id of the account.
    pub id: AccountId,
    /// Workspace that owns the account.
    pub workspace: WorkspaceId,
    /// Display name; unique in the workspace.
    pub name: String,
    /// Meta's id of the phone number, digits.
    pub phone_number_id: String,
    /// Meta's id of the WhatsApp Business Account, digits.
    pub waba_id: String,
    /// Phone number in Meta's spelling.
    pub display_phone_number: Option<String>,
    /// Meta's quality rating: `GREEN`, `YELLOW`, `RED`, `NA` or `UNKNOWN`.
    pub quality_rating: Option<String>,
    /// Meta's messaging limit, such as `TIER_2K`.
    pub messaging_limit_tier: Option<String>,
    /// Status of the account.
    pub status: AccountStatus,
    /// Reason for the suspension.
    pub status_reason: Option<String>,
    /// `true` if a send that names no account uses this one; one account per workspace.
    pub is_default: bool,
    /// `true` if the account uses the simulator instead of Meta.
    pub is_sandbox: bool,
    /// `true` if links in its messages are downloaded here and uploaded to Meta; `None` for the configured default.
    pub fetches_links: Option<bool>,
}

text_enum! {
    /// Status of an account.
    pub enum AccountStatus {
        /// The account can send messages.
        Connected = "connected",
        /// Meta refused the account or its access token. Nothing is sent until the cause is fixed and the account is
        /// resumed.
        Suspended = "held",
        /// The account is switched off.
        Disconnected = "disconnected",
    }
}

text_enum! {
    /// Property of an account that has changed.
    pub enum AccountChange {
        /// Status of the account.
        Status = "status",
        /// Quality rating of its number.
        Quality = "quality",
        /// Display name that customers see.
        Name = "name",
        /// Messaging limit: number of recipients of templates in 24 hours.
        MessagingLimit = "messaging_limit",
        /// Maximum number of messages per second of its number; `details` has Meta's update.
        Throughput = "throughput",
        /// Templates have used 80 % or all of the messaging limit of the last 24 hours.
        MessagingLimitUsed = "messaging_limit_used",
        /// Any other update of Meta: reviews, restrictions, violations, alerts; `details` has Meta's text.
        Notice = "notice",
        /// The access token expires soon.
        TokenExpiry = "token_expiry",
    }
}

/// Days before the expiry of an access token at which a warning is due, the last warning first.
pub const TOKEN_EXPIRY_WARNING_DAYS: [i64; 3] = [1, 7, 14];

/// Returns the days of the warning that is due, or `None`. `last_warning` is the last warning of this token. A warning
/// whose time passed without a check is skipped if a later one is due.
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
    fn warnings_about_a_token_expiry_are_due_fourteen_seven_and_one_days_before() {
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
