//! Operations on contacts: records, bulk upsert, CSV import and export.

pub(crate) mod bulk;
pub(crate) mod csv;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod openapi;
pub(crate) mod records;
