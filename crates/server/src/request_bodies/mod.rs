//! Bodies of requests: their bounds, and the memory that they use.
//!
//! **Invariant:** no byte of a body is read before a handler asks for it, so that a refused request costs no memory.

pub(crate) mod bounded;
pub(crate) mod bounds;
pub(crate) mod budget;
mod json_size;
