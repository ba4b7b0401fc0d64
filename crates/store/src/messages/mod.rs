//! Messages: acceptance, queue, outcomes, idempotency records, messaging limit.

pub(crate) mod accept;
pub(crate) mod counters;
pub(crate) mod finish;
pub(crate) mod idempotency;
pub(crate) mod messaging_limit;
pub(crate) mod pending_statuses;
pub(crate) mod queries;
pub(crate) mod queue;
pub(crate) mod queue_depth;
