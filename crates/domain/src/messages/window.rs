//! Customer service window: 24 hours after the customer's last message (Meta: Customer service windows,
//! <https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages>).

use jiff::{SignedDuration, Timestamp};

/// Time for which a window is open after the customer's last message.
pub const WINDOW_DURATION: SignedDuration = SignedDuration::from_hours(24);

/// Customer service window of one contact at one account.
///
/// **Invariant:** a window never opens in the future: a later time from Meta counts as the current time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Time of the customer's last message or call, from Meta.
    pub last_inbound_at: Option<Timestamp>,
    /// Time at which Meta last reported a closed window (131047), to the second. A later message of the customer, or
    /// one of the same second that arrives later, reopens the window.
    pub refused_at: Option<Timestamp>,
}

impl Window {
    /// Returns `true` if free-form messages may be sent at `now`.
    pub fn is_open(&self, now: Timestamp) -> bool {
        let Some(last) = self.last_inbound_at else { return false };
        // Meta's report after the customer's last message is valid until the next message of the customer.
        let overruled = self.refused_at.is_some_and(|refused| refused >= last);
        !overruled && self.closes_at().is_some_and(|end| now < end)
    }

    /// Returns the time at which the window closes or has closed; `None` if the customer never wrote.
    pub fn closes_at(&self) -> Option<Timestamp> {
        let last = self.last_inbound_at?;
        let end = last.saturating_add(WINDOW_DURATION).unwrap_or(Timestamp::MAX);
        match self.refused_at {
            Some(refused) if refused >= last => Some(refused.min(end)),
            Some(_) | None => Some(end),
        }
    }

    /// Returns the window after a message of the customer at `at` (Meta's time) that arrives at `now`.
    #[must_use]
    pub fn after_inbound(self, at: Timestamp, now: Timestamp) -> Self {
        let at = at.min(now);
        Self {
            last_inbound_at: Some(self.last_inbound_at.map_or(at, |last| last.max(at))),
            refused_at: self.refused_at.filter(|refused| at < *refused),
        }
    }

    /// Returns the window after Meta reported it closed at `at`.
    #[must_use]
    pub fn after_rejection(self, at: Timestamp) -> Self {
        let at = Timestamp::from_second(at.as_second()).unwrap_or(at);
        Self { refused_at: Some(self.refused_at.map_or(at, |refused| refused.max(at))), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + seconds).expect("a time")
    }

    #[test]
    fn a_window_is_open_for_24_hours_to_the_second() {
        let window = Window::default().after_inbound(at(0), at(0));
        assert!(window.is_open(at(0)));
        assert!(window.is_open(at(86_399)));
        assert!(!window.is_open(at(86_400)));
    }

    #[test]
    fn a_window_that_never_opened_is_closed() {
        assert!(!Window::default().is_open(at(0)));
        assert_eq!(Window::default().closes_at(), None);
    }

    #[test]
    fn a_time_in_the_future_counts_as_now() {
        assert_eq!(Window::default().after_inbound(at(500), at(0)).last_inbound_at, Some(at(0)));
    }

    #[test]
    fn an_older_message_that_comes_late_changes_nothing() {
        let window = Window::default().after_inbound(at(100), at(100)).after_inbound(at(50), at(110));
        assert_eq!(window.last_inbound_at, Some(at(100)));
    }

    #[test]
    fn metas_refusal_closes_it_until_the_customer_writes_again() {
        let window = Window::default().after_inbound(at(0), at(0)).after_rejection(at(60));
        assert!(!window.is_open(at(61)));
        assert_eq!(window.closes_at(), Some(at(60)));
        assert!(window.after_inbound(at(70), at(71)).is_open(at(71)));
    }

    #[test]
    fn in_the_second_of_the_refusal_what_is_heard_last_counts() {
        let refused = Window::default().after_inbound(at(60), at(60)).after_rejection(at(60));
        assert!(!refused.is_open(at(60)));
        assert!(refused.after_inbound(at(60), at(60)).is_open(at(60)));
        assert!(!refused.after_inbound(at(59), at(60)).is_open(at(60)));
    }
}
