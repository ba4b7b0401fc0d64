//! API keys, users, permissions, rate limits and the audit log.

pub mod api_key;
pub mod audit;
pub mod login_throttle;
pub mod password;
pub mod permission;
pub mod rate_limiter;
pub mod user;
