//! Webhooks from Meta: payload archive, ingestion, message echoes, redaction.

pub(crate) mod ingest;
pub(crate) mod message_echoes;
pub(crate) mod payload_redaction;
pub(crate) mod redact;
pub(crate) mod webhook_archive;
