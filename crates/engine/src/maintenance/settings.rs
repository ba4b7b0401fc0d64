//! Settings of maintenance.

use jiff::SignedDuration;

/// Retention periods; `None` keeps the rows for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Messages, counted from their last status.
    pub messages: Option<SignedDuration>,
    /// Archived webhook payloads from Meta.
    pub payloads: Option<SignedDuration>,
    /// Events.
    pub events: Option<SignedDuration>,
    /// Deliveries of events to webhook endpoints.
    pub deliveries: Option<SignedDuration>,
    /// Entries of the audit log.
    pub audit: Option<SignedDuration>,
}
