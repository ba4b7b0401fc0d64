//! Users, sessions, keys and the audit log.

pub(crate) mod api_keys;
pub(crate) mod audit;
pub(crate) mod port;
pub(crate) mod sessions;
pub(crate) mod users;
pub(crate) mod workspaces;
