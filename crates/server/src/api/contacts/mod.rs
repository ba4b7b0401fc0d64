//! Operations on contacts: records, bulk upsert, CSV import and export.

pub(crate) mod bulk;
pub(crate) mod change;
pub(crate) mod csv;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod import_report;
pub(crate) mod list;
pub(crate) mod lookup;
pub(crate) mod messages;
pub(crate) mod outcome;
pub(crate) mod serialize;
pub(crate) mod window;
