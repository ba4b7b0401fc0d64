//! What goes over the wire to Meta and back, and its translation into values of the domain.
//!
//! **Invariant:** reading is lenient (a member of another type counts as absent), writing is exact.

pub(crate) mod answer;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod media;
pub(crate) mod node;
pub(crate) mod template;
