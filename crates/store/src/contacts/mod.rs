//! Contacts: resolving, changing, merging, number changes, opt-outs.

pub(crate) mod number_changes;
pub(crate) mod opt_out;
pub(crate) mod port;
pub(crate) mod records;
pub(crate) mod resolve;
