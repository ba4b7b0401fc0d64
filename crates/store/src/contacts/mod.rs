//! Contacts: resolving, changing, merging, number changes, opt-outs.

mod number_changes;
mod opt_out;
mod port;
mod records;
mod resolve;
