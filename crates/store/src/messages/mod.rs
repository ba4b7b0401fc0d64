//! Messages: acceptance, queue, outcomes, idempotency records, messaging limit.

mod accept;
mod counters;
mod finish;
mod idempotency;
mod messaging_limit;
mod pending_statuses;
mod queries;
mod queue;
mod queue_depth;
