//! Media records.

pub(crate) mod port;
pub(crate) mod records;
