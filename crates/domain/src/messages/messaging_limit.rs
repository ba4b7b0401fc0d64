//! The messaging limit: how many people templates may reach outside their window in 24 hours (reference D.3).
//!
//! Meta counts people, not messages, per portfolio; here a portfolio is known by its WhatsApp Business Account.

use jiff::SignedDuration;

/// How long a person who was reached is counted.
pub const COUNTED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// How many people may be reached. Of two limits the smaller one holds: `min`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessagingLimit {
    /// So many.
    People(u32),
    /// All of them.
    Unlimited,
}

impl MessagingLimit {
    /// Reads Meta's tier: `TIER_250`, `TIER_2K`, `TIER_UNLIMITED`, or a number of people, where -1 is no limit.
    /// `None`: it says nothing that is known here, such as `UNTIERED` or `TIER_NOT_SET`.
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
        let people = digits.parse::<u32>().ok()?.checked_mul(unit)?;
        (people > 0).then_some(Self::People(people))
    }

    /// How many more people may be reached after so many; `None`: any number.
    #[must_use]
    pub fn left(self, n_used: u32) -> Option<u32> {
        match self {
            Self::People(people) => Some(people.saturating_sub(n_used)),
            Self::Unlimited => None,
        }
    }
}

/// How much of a limit is used, as far as it is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessagingLimitLevel {
    /// Less than 80 %.
    #[default]
    Free,
    /// 80 % or more.
    Nearly,
    /// All of it.
    Full,
}

impl MessagingLimitLevel {
    /// Every level.
    pub const ALL: [Self; 3] = [Self::Free, Self::Nearly, Self::Full];

    /// The share from which on it holds, in percent.
    #[must_use]
    pub const fn percent(self) -> u32 {
        match self {
            Self::Free => 0,
            Self::Nearly => 80,
            Self::Full => 100,
        }
    }

    /// The share below which it is forgotten, so that it is told again when it is reached again. The distance keeps a use
    /// that swings around a mark from being told each time.
    const fn forgotten_below(self) -> u32 {
        match self {
            Self::Free => 0,
            Self::Nearly => 70,
            Self::Full => 90,
        }
    }

    /// The level after `self` was told, while so many people of this limit are used.
    /// What is higher than `self` is to be told.
    #[must_use]
    pub fn after(self, n_used: u32, limit: Option<MessagingLimit>) -> Self {
        let Some(MessagingLimit::People(people)) = limit else { return Self::Free };
        let is_at_least = |percent: u32| u64::from(n_used) * 100 >= u64::from(people) * u64::from(percent);
        Self::ALL
            .into_iter()
            .rev()
            .find(|level| {
                is_at_least(level.percent()) || (*level <= self && is_at_least(level.forgotten_below()))
            })
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tier_is_a_number_of_people() {
        for (tier, people) in [
            ("TIER_50", 50),
            ("TIER_250", 250),
            ("TIER_1K", 1_000),
            ("TIER_2K", 2_000),
            ("TIER_10K", 10_000),
            ("TIER_100K", 100_000),
            ("tier_2k", 2_000),
            ("2000", 2_000),
        ] {
            assert_eq!(MessagingLimit::from_tier(tier), Some(MessagingLimit::People(people)), "{tier}");
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
        assert_eq!(MessagingLimit::People(250).min(MessagingLimit::Unlimited), MessagingLimit::People(250));
        assert_eq!(MessagingLimit::People(250).min(MessagingLimit::People(50)), MessagingLimit::People(50));
    }

    #[test]
    fn what_is_left_is_never_less_than_nothing() {
        assert_eq!(MessagingLimit::People(250).left(249), Some(1));
        assert_eq!(MessagingLimit::People(250).left(300), Some(0));
        assert_eq!(MessagingLimit::Unlimited.left(u32::MAX), None);
    }

    #[test]
    fn each_mark_is_told_once_on_the_way_up() {
        let limit = Some(MessagingLimit::People(250));
        let (mut level, mut told) = (MessagingLimitLevel::Free, Vec::new());
        for n_used in 1..=300 {
            let next = level.after(n_used, limit);
            if next > level {
                told.push((n_used, next));
            }
            level = next;
        }
        assert_eq!(told, [(200, MessagingLimitLevel::Nearly), (250, MessagingLimitLevel::Full)]);
    }

    #[test]
    fn a_mark_is_told_again_only_after_the_use_fell_well_below_it() {
        let limit = Some(MessagingLimit::People(100));
        assert_eq!(MessagingLimitLevel::Full.after(95, limit), MessagingLimitLevel::Full);
        assert_eq!(MessagingLimitLevel::Full.after(85, limit), MessagingLimitLevel::Nearly);
        assert_eq!(MessagingLimitLevel::Nearly.after(75, limit), MessagingLimitLevel::Nearly);
        assert_eq!(MessagingLimitLevel::Nearly.after(69, limit), MessagingLimitLevel::Free);
        assert_eq!(MessagingLimitLevel::Full.after(69, limit), MessagingLimitLevel::Free);
    }

    #[test]
    fn a_larger_tier_forgets_what_was_told_and_a_smaller_one_tells() {
        assert_eq!(
            MessagingLimitLevel::Full.after(250, Some(MessagingLimit::People(2_000))),
            MessagingLimitLevel::Free
        );
        assert_eq!(
            MessagingLimitLevel::Full.after(250, Some(MessagingLimit::Unlimited)),
            MessagingLimitLevel::Free
        );
        assert_eq!(MessagingLimitLevel::Full.after(250, None), MessagingLimitLevel::Free);
        assert_eq!(
            MessagingLimitLevel::Free.after(250, Some(MessagingLimit::People(250))),
            MessagingLimitLevel::Full
        );
    }
}
