//! Operations on webhook endpoints and their deliveries.

pub(crate) mod endpoints;
pub(crate) mod openapi;
