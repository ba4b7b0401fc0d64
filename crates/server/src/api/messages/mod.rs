//! Operations on messages: send, batch, list, get, mark as read, cancel, resolve.

pub(crate) mod batch;
pub(crate) mod idempotency;
pub(crate) mod openapi;
pub(crate) mod records;
pub(crate) mod send;
pub(crate) mod send_request;
pub(crate) mod v1;
