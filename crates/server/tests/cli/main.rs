//! The command line as scripts use it: the real program, run to its end.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod accounts;
mod config;
mod keys;
mod migrate;
mod openapi;
mod operate;
mod redrive;
mod send;
mod start;
mod support;
mod users;
