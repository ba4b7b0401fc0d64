//! Retention periods.

use engine::maintenance::settings::RetentionSettings;
use jiff::SignedDuration;

/// Retention periods in days; 0 means no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RetentionConfig {
    /// Messages.
    pub(crate) messages_days: u32,
    /// Webhook payloads from Meta, unless a message shows them.
    pub(crate) payloads_days: u32,
    /// Events.
    pub(crate) events_days: u32,
    /// Webhook deliveries.
    pub(crate) deliveries_days: u32,
    /// Audit log.
    pub(crate) audit_days: u32,
}

impl RetentionConfig {
    /// Returns the settings of the engine.
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
