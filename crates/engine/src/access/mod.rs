//! Callers: API keys, users, sessions and the audit context.

pub mod api_key;
pub mod audit_context;
pub mod session;
pub mod user;
