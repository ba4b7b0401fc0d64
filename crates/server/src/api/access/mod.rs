//! Operations on API keys, users, sessions and the audit log.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod serialize;
pub(crate) mod session;
pub(crate) mod users;
