//! Bounds of requests: each bound is tested right below and right above it.

mod query;
