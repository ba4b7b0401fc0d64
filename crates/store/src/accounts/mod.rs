//! Workspaces, accounts, keys, and what Meta reports of accounts.

pub(crate) mod account_events;
pub(crate) mod account_updates;
pub(crate) mod directory;
pub(crate) mod records;
pub(crate) mod status;
pub(crate) mod token_expiry;
