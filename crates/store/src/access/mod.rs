//! Users, sessions, keys and the audit log.

mod audit;
mod port;
mod users;
