//! Workspaces, accounts, keys, and what Meta reports of accounts.

mod account_updates;
mod directory;
mod registry;
