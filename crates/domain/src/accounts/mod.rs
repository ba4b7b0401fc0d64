//! WhatsApp accounts and their business profiles.

pub mod account;
pub mod profile;
pub mod suspension;
