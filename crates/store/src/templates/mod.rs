//! Templates, as Meta last told of them.

pub(crate) mod components;
pub(crate) mod records;
pub(crate) mod template_events;
pub(crate) mod updates;
