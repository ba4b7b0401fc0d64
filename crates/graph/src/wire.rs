//! Requests and responses of the Graph API, and their conversion to values of the domain.
//!
//! **Invariant:** reading is lenient (a member of another type counts as absent), writing is exact.

pub(crate) mod error;
pub(crate) mod media;
pub(crate) mod node;
pub(crate) mod request_body;
pub(crate) mod response;
pub(crate) mod template;
