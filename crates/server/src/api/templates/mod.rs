//! Operations on message templates.

pub(crate) mod change;
pub(crate) mod list;
pub(crate) mod lookup;
pub(crate) mod preview;
pub(crate) mod serialize;
pub(crate) mod sync;
