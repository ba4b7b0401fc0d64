//! Workspaces, accounts, keys, and what Meta reports of accounts.

pub(crate) mod account_updates;
pub(crate) mod directory;
pub(crate) mod registry;
