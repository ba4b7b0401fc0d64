//! Updates that Meta posts.

pub mod update;
