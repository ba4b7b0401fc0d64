//! Contacts: lookup, creation, update, merge, number changes, opt-outs, customer service windows.

pub(crate) mod contact_events;
pub(crate) mod contact_fields;
pub(crate) mod lookup;
pub(crate) mod merge;
pub(crate) mod number_changes;
pub(crate) mod numbers;
pub(crate) mod opt_out;
pub(crate) mod port;
pub(crate) mod preferences;
pub(crate) mod records;
pub(crate) mod renumber;
pub(crate) mod resolve;
pub(crate) mod service_windows;
pub(crate) mod tags;
pub(crate) mod upsert;
