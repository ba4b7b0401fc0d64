//! Operations on webhook endpoints and their deliveries.

pub(crate) mod callback;
pub(crate) mod deliveries;
pub(crate) mod endpoints;
pub(crate) mod lookup;
pub(crate) mod request;
pub(crate) mod serialize;
