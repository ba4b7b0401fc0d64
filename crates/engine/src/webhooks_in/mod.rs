//! Webhooks from Meta: routing, storing, redriving.

pub mod ingest;
mod redrive;
