//! The settings about how long things are kept.

use engine::maintenance::retention::RetentionSettings;
use jiff::SignedDuration;

/// Days for which things are kept; 0 is for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetentionConfig {
    /// Messages.
    pub(crate) messages_days: u32,
    /// What Meta posted, beyond what a message shows.
    pub(crate) payloads_days: u32,
    /// Events.
    pub(crate) events_days: u32,
    /// Deliveries of events.
    pub(crate) deliveries_days: u32,
    /// The audit log.
    pub(crate) audit_days: u32,
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self { messages_days: 365, payloads_days: 90, events_days: 30, deliveries_days: 14, audit_days: 0 }
    }
}

impl RetentionConfig {
    /// What the engine has to know.
    pub(crate) fn settings(&self) -> RetentionSettings {
        let days =
            |days: u32| (days > 0).then(|| SignedDuration::from_hours(i64::from(days).saturating_mul(24)));
        RetentionSettings {
            messages: days(self.messages_days),
            payloads: days(self.payloads_days),
            events: days(self.events_days),
            deliveries: days(self.deliveries_days),
            audit: days(self.audit_days),
        }
    }
}
