//! Operations on WhatsApp accounts.

pub(crate) mod change;
pub(crate) mod openapi;
pub(crate) mod records;
pub(crate) mod upstream;
