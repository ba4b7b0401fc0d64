//! Callers of the API: API keys, users, sessions, rate limits, and the audit context.

pub mod api_key;
pub mod audit_context;
mod base32;
pub mod caller;
pub mod idempotent_request;
pub mod rate_limits;
pub mod running_keys;
pub mod session;
pub mod state;
pub mod user;
