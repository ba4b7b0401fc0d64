//! Templates, as Meta last reported them.

pub(crate) mod components;
pub(crate) mod records;
pub(crate) mod template_events;
pub(crate) mod updates;
