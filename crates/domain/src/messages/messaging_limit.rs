//! Messaging limit: number of recipients of templates outside of an open window in 24 hours (Meta: Messaging limits,
//! <https://developers.facebook.com/docs/whatsapp/messaging-limits>).
//!
//! Meta counts recipients, not messages, for each business portfolio. Here a portfolio is identified by its WhatsApp
//! Business Account.

use jiff::SignedDuration;

/// Time for which a recipient is counted.
pub const COUNTING_PERIOD: SignedDuration = SignedDuration::from_hours(24);

/// Maximum number of recipients. Of two limits the smaller one applies: `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessagingLimit {
    /// A number of recipients.
    Recipients(u32),
    /// No limit.
    Unlimited,
}

impl MessagingLimit {
    /// Parses Meta's tier: `TIER_250`, `TIER_2K`, `TIER_UNLIMITED`, or a number of recipients, where -1 is no limit.
    /// Returns `None` for any other text, such as `UNTIERED` or `TIER_NOT_SET`.
    #[must_use]
    pub fn from_tier(tier: &str) -> Option<Self> {
        let tier = tier.trim().to_ascii_uppercase();
        let tier = tier.strip_prefix("TIER_").unwrap_or(&tier);
        if matches!(tier, "UNLIMITED" | "-1") {
            return Some(Self::Unlimited);
        }
        let (digits, unit) = match tier.strip_suffix('K') {
            Some(digits) => (digits, 1000),
            None => (tier, 1),
        };
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let recipients = digits.parse::<u32>().ok()?.checked_mul(unit)?;
        (recipients > 0).then_some(Self::Recipients(recipients))
    }

    /// Returns the number of recipients that remain after `n_used`; `None` if there is no limit.
    #[must_use]
    pub fn remaining(self, n_used: u32) -> Option<u32> {
        match self {
            Self::Recipients(recipients) => Some(recipients.saturating_sub(n_used)),
            Self::Unlimited => None,
        }
    }
}

/// Level of use of a limit, for notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessagingLimitLevel {
    /// Less than 80 %.
    #[default]
    Normal,
    /// At least 80 %.
    Warning,
    /// The whole limit.
    Exhausted,
}

impl MessagingLimitLevel {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Normal, Self::Warning, Self::Exhausted];

    /// Returns the use in percent at which the level begins.
    #[must_use]
    pub const fn percent(self) -> u32 {
        match self {
            Self::Normal => 0,
            Self::Warning => 80,
            Self::Exhausted => 100,
        }
    }

    /// Returns the use in percent below which the level ends. The distance to the beginning prevents repeated
    /// notifications while the use changes little.
    const fn reset_below(self) -> u32 {
        match self {
            Self::Normal => 0,
            Self::Warning => 70,
            Self::Exhausted => 90,
        }
    }

    /// Returns the level that follows `self` at this use of the limit. A level above `self` is to be notified.
    #[must_use]
    pub fn after(self, n_used: u32, limit: Option<MessagingLimit>) -> Self {
        let Some(MessagingLimit::Recipients(recipients)) = limit else { return Self::Normal };
        let is_at_least =
            |percent: u32| u64::from(n_used) * 100 >= u64::from(recipients) * u64::from(percent);
        Self::ALL
            .into_iter()
            .rev()
            .find(|level| {
                is_at_least(level.percent()) || (*level <= self && is_at_least(level.reset_below()))
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_a_number_of_people() {
        for (tier, recipients) in [
            ("TIER_50", 50),
            ("TIER_250", 250),
            ("TIER_1K", 1_000),
            ("TIER_2K", 2_000),
            ("TIER_10K", 10_000),
            ("TIER_100K", 100_000),
            ("tier_2k", 2_000),
            ("2000", 2_000),
        ] {
            assert_eq!(
                MessagingLimit::from_tier(tier),
                Some(MessagingLimit::Recipients(recipients)),
                "{tier}"
            );
        }
        for tier in ["TIER_UNLIMITED", "-1"] {
            assert_eq!(MessagingLimit::from_tier(tier), Some(MessagingLimit::Unlimited), "{tier}");
        }
        for tier in ["", "UNTIERED", "TIER_NOT_SET", "TIER_", "K", "TIER_2M", "0", "-2", "+5", "99999999999"]
        {
            assert_eq!(MessagingLimit::from_tier(tier), None, "{tier}");
        }
    }

    #[test]
    fn the_smaller_of_two_limits_holds() {
        assert_eq!(
            MessagingLimit::Recipients(250).min(MessagingLimit::Unlimited),
            MessagingLimit::Recipients(250)
        );
        assert_eq!(
            MessagingLimit::Recipients(250).min(MessagingLimit::Recipients(50)),
            MessagingLimit::Recipients(50)
        );
    }

    #[test]
    fn what_is_left_is_never_less_than_nothing() {
        assert_eq!(MessagingLimit::Recipients(250).remaining(249), Some(1));
        assert_eq!(MessagingLimit::Recipients(250).remaining(300), Some(0));
        assert_eq!(MessagingLimit::Unlimited.remaining(u32::MAX), None);
    }

    #[test]
    fn each_mark_is_told_once_on_the_way_up() {
        let limit = Some(MessagingLimit::Recipients(250));
        let (mut level, mut reported) = (MessagingLimitLevel::Normal, Vec::new());
        for n_used in 1..=300 {
            let next = level.after(n_used, limit);
            if next > level {
                reported.push((n_used, next));
            }
            level = next;
        }
        assert_eq!(reported, [(200, MessagingLimitLevel::Warning), (250, MessagingLimitLevel::Exhausted)]);
    }

    #[test]
    fn a_mark_is_told_again_only_after_the_use_fell_well_below_it() {
        let limit = Some(MessagingLimit::Recipients(100));
        assert_eq!(MessagingLimitLevel::Exhausted.after(95, limit), MessagingLimitLevel::Exhausted);
        assert_eq!(MessagingLimitLevel::Exhausted.after(85, limit), MessagingLimitLevel::Warning);
        assert_eq!(MessagingLimitLevel::Warning.after(75, limit), MessagingLimitLevel::Warning);
        assert_eq!(MessagingLimitLevel::Warning.after(69, limit), MessagingLimitLevel::Normal);
        assert_eq!(MessagingLimitLevel::Exhausted.after(69, limit), MessagingLimitLevel::Normal);
    }

    #[test]
    fn a_larger_tier_forgets_what_was_told_and_a_smaller_one_tells() {
        assert_eq!(
            MessagingLimitLevel::Exhausted.after(250, Some(MessagingLimit::Recipients(2_000))),
            MessagingLimitLevel::Normal
        );
        assert_eq!(
            MessagingLimitLevel::Exhausted.after(250, Some(MessagingLimit::Unlimited)),
            MessagingLimitLevel::Normal
        );
        assert_eq!(MessagingLimitLevel::Exhausted.after(250, None), MessagingLimitLevel::Normal);
        assert_eq!(
            MessagingLimitLevel::Normal.after(250, Some(MessagingLimit::Recipients(250))),
            MessagingLimitLevel::Exhausted
        );
    }
}
