//! Operations on messages: send, batch, list, get, mark as read, cancel, reschedule, resolve.

pub(crate) mod batch;
pub(crate) mod cancel;
pub(crate) mod dry_run;
pub(crate) mod idempotency;
pub(crate) mod list;
pub(crate) mod list_filter;
pub(crate) mod mark_read;
pub(crate) mod message_key;
pub(crate) mod reschedule;
pub(crate) mod resolve;
pub(crate) mod send;
pub(crate) mod send_request;
pub(crate) mod send_response;
pub(crate) mod serialize;
pub(crate) mod v1;
