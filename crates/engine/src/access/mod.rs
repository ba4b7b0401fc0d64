//! Callers of the API: API keys, users, sessions, rate limits, and the audit context.

pub mod api_key;
pub mod audit_context;
mod base32;
pub mod caller;
pub mod rate_limits;
pub mod session;
pub mod state;
pub mod user;
