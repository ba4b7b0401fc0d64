//! Tests of the command line: each test runs the program as a process until it exits.
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
#[path = "../it/time_format.rs"]
mod time_format;
mod users;
