//! Webhooks to the application: endpoints, signing secrets, deliveries of events.

pub mod deliver;
pub mod endpoint;
pub mod secret;
pub mod settings;
pub mod tasks;
