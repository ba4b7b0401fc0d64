//! Webhooks to the application: endpoints, secrets, deliveries.

pub mod deliver;
pub mod endpoint;
pub mod secret;
