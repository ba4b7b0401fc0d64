//! Accounts, and the updates of accounts that Meta reports.

pub(crate) mod account_events;
pub(crate) mod account_updates;
pub(crate) mod directory;
pub(crate) mod records;
pub(crate) mod status;
pub(crate) mod token_expiry;
