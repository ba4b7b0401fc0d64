//! Operations on WhatsApp accounts.

pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod profile;
pub(crate) mod registration;
pub(crate) mod request;
pub(crate) mod resume;
pub(crate) mod serialize;
pub(crate) mod test;
