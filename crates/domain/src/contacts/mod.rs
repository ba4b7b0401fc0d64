//! Contacts: phone numbers, business-scoped user ids, fields, opt-outs.

pub mod contact;
pub mod opt_out;
pub mod phone;
