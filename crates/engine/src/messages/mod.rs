//! Messages: send, queue, attempts, dry runs, idempotency, marking as read.
//!
//! A send passes through [`admission`] (checks), [`send`] (record), `task` (task that stores the result and responds),
//! `attempt` (calls to Meta) and `send_end` (result and response). [`queue`] starts the sends of due messages.

pub mod actions;
pub mod admission;
mod attempt;
pub mod dry_run;
pub mod idempotency;
pub mod mark_read;
pub mod outcome;
pub(crate) mod pacer;
pub mod queue;
pub(crate) mod recovery;
pub mod request;
mod retry_wait;
pub mod search_index;
pub mod send;
mod send_end;
mod task;
