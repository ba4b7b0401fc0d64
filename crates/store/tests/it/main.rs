//! Tests of the store on a real database file.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod account_changes;
mod accounts;
mod backups;
mod contact_data;
mod contacts;
mod delivery_queues;
mod durability;
#[cfg(target_os = "linux")]
mod full_disk;
mod idempotency;
mod idempotent_requests;
mod media;
mod message_search;
mod messages;
mod messaging_limit_properties;
mod queue;
mod queue_properties;
mod retention;
mod status_reports;
mod support;
mod users;
mod webhook_endpoints;
mod webhook_payloads;
mod worker_recovery;
