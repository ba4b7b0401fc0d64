//! Media records.

mod port;
mod records;
