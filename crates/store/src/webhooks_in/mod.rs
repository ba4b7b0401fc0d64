//! Webhooks from Meta: payload archive, application, message echoes.

mod ingest;
mod message_echoes;
mod update_watermarks;
mod webhook_archive;
