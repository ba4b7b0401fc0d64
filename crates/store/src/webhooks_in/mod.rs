//! Webhooks from Meta: payload archive, ingestion, message echoes, redaction.

pub(crate) mod ingest;
pub(crate) mod message_echoes;
pub(crate) mod message_rows;
pub(crate) mod payload_redaction;
pub(crate) mod redact;
pub(crate) mod webhook_archive;

use crate::sqlite::port_macro::sqlite_port;
use engine::ports::{ArchiveQuery, ArchivedPayload, IngestSummary, StoreError, WebhookPayload};

engine::webhook_payloads_port! {
    sqlite_port for WebhookPayloads {
        ingest_payload(payload) {
            write "ingesting a webhook payload", move |tx| ingest::insert_payload(tx, &payload)
        }
        list_payloads(query) cloning(query) {
            read "reading archived payloads", move |tx| webhook_archive::list_payloads(tx, &query)
        }
    }
}
