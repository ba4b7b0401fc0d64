//! Webhook endpoints and their delivery queues.

mod deliveries;
mod endpoints;
mod fan_out;
