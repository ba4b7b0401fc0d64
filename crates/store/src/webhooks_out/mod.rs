//! Webhook endpoints, fan-out of events, and delivery queues.

pub(crate) mod deliveries;
pub(crate) mod delivery_list;
pub(crate) mod delivery_queues;
pub(crate) mod endpoints;
pub(crate) mod fan_out;
pub(crate) mod replays;
pub(crate) mod routed_events;
