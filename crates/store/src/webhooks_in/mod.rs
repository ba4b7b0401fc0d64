//! Webhooks from Meta: payload archive, application, message echoes.

pub(crate) mod ingest;
pub(crate) mod message_echoes;
pub(crate) mod update_watermarks;
pub(crate) mod webhook_archive;
