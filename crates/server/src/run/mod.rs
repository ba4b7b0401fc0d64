//! The assembly of the process: opens the store and the clients, builds the router, serves, runs the background loops.

mod background_loops;
mod open;
mod router;
mod serve;

pub(crate) use open::{OpenOptions, open, sealer};
pub use router::{router, routes};
pub(crate) use serve::serve;
