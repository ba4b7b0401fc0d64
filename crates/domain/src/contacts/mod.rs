//! Contacts: phone numbers, business-scoped user ids, fields, opt-outs.

pub mod bsuid;
pub mod contact;
pub mod opt_out;
pub mod phone;
pub mod whatsapp_user;
