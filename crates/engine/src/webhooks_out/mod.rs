//! Webhooks to the application: endpoints, signing secrets, deliveries of events.

mod audit;
pub mod deliver;
pub mod endpoint;
pub mod secret;
pub mod settings;
pub mod tasks;
