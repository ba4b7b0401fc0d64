//! Messages: acceptance, queue, statuses, timeline, idempotency records, messaging limit.

pub(crate) mod accept;
pub(crate) mod error_effects;
pub(crate) mod finish;
pub(crate) mod finish_erased;
pub(crate) mod idempotency;
pub(crate) mod lease;
pub(crate) mod message_events;
pub(crate) mod messaging_limit;
pub(crate) mod outbound_state;
pub(crate) mod pending_statuses;
pub(crate) mod queries;
pub(crate) mod queue;
pub(crate) mod queue_depth;
pub(crate) mod statuses;
pub(crate) mod terminate;
pub(crate) mod timeline;
pub(crate) mod wamids;
