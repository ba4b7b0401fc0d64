//! Our WhatsApp senders.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

use crate::id::{AccountId, WorkspaceId};
use crate::messages::message::UnknownVariant;

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

/// Whether messages may leave through an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountStatus {
    /// They may.
    Connected,
    /// Meta refused the account or its token: nothing leaves until someone acts.
    Held,
    /// Switched off.
    Disconnected,
}

impl AccountStatus {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Held => "held",
            Self::Disconnected => "disconnected",
        }
    }
}

impl FromStr for AccountStatus {
    type Err = UnknownVariant;

    fn from_str(text: &str) -> Result<Self, UnknownVariant> {
        [Self::Connected, Self::Held, Self::Disconnected]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(UnknownVariant)
    }
}

/// The days before the end of an access token at which it is told, the last first.
pub const TOKEN_NOTICES: [i64; 3] = [1, 7, 14];

/// Which notice of a token's end is due: the number of days that it names. `told` is the one that was told last of this
/// token. A notice whose time came while nobody looked is left out for the nearer one.
#[must_use]
pub fn token_notice(expires_at: Timestamp, told: Option<i64>, now: Timestamp) -> Option<i64> {
    let left = expires_at.duration_since(now);
    let due = TOKEN_NOTICES.into_iter().find(|days| left <= SignedDuration::from_hours(24 * days))?;
    told.is_none_or(|told| due < told).then_some(due)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_token_is_told_fourteen_seven_and_one_days_before_once_each() {
        let now = Timestamp::from_second(1_767_225_600).expect("a time");
        let in_hours = |hours| now + SignedDuration::from_hours(hours);
        for (hours, told, due) in [
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
            assert_eq!(token_notice(in_hours(hours), told, now), due, "{hours} h, told {told:?}");
        }
    }
}
