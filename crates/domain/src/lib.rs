//! TBD.
pub mod check;
pub mod content;
pub mod json;
pub mod phone;
pub mod template;
