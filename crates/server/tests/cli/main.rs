//! The command line as scripts use it: the real program, run to its end.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod config;
mod keys;
mod maintenance;
mod migrate;
mod openapi;
mod redrive;
mod send;
mod startup_errors;
mod support;
mod users;
