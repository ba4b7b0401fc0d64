//! Operations on message templates.

pub(crate) mod change;
pub(crate) mod openapi;
pub(crate) mod records;
