//! Messages: send, queue, attempts, dry runs, idempotency, marking as read.

mod admission;
pub mod attempt;
pub mod dry_run;
pub mod idempotency;
pub(crate) mod in_flight;
pub mod mark_read;
pub(crate) mod pacer;
pub mod queue;
mod retry_wait;
pub mod send;
