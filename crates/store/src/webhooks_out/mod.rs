//! Webhook endpoints and their delivery queues.

pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod fan_out;
