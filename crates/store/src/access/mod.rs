//! Users, sessions, keys and the audit log.

pub(crate) mod audit;
pub(crate) mod port;
pub(crate) mod users;
