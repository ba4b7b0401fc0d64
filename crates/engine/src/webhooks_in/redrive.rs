//! Redrives archived webhook payloads: decodes and applies them again, for example after the decoder was fixed or an
//! account was added.
//!
//! Redriving a change that was applied before has no effect: messages are identified by their wamid, statuses by wamid
//! and status, all other changes by their bytes.
//!
//! **Why the archive has both the signature and the accounts that verified it on receipt.** If an app secret was
//! replaced since, only the list of accounts shows that the old secret verified the signature. If an account was added
//! since, only the signature shows that the account's secret signed the payload. A change is applied to an account only
//! if one of the two holds.

use std::sync::Arc;

use crate::Deps;
use crate::ports::{
    AccountRecord, ArchiveQuery, ArchivedPayload, IngestSummary, StoreError, WebhookChange, WebhookPayload,
};
use crate::webhooks_in::ingest::{follow_up, route_changes, wabas_with_text_changes};

/// Returns a page of archived payloads in the order of receipt.
///
/// # Errors
/// The store cannot be read.
pub async fn list_archived_payloads(
    deps: &Deps,
    query: &ArchiveQuery,
) -> Result<Vec<ArchivedPayload>, StoreError> {
    deps.webhook_payloads.list_payloads(query).await
}

/// Applies an archived payload again. `verified` are the accounts whose current app secret verifies the signature.
///
/// # Errors
/// The store cannot be written.
pub async fn redrive_payload(
    deps: &Arc<Deps>,
    archived: ArchivedPayload,
    changes: Vec<WebhookChange>,
    verified: &[Arc<AccountRecord>],
) -> Result<IngestSummary, StoreError> {
    let directory = deps.directory.current();
    let has_signed = |record: &&Arc<AccountRecord>| {
        let id = record.account.id;
        archived.signature.signers.contains(&id) || verified.iter().any(|other| other.account.id == id)
    };
    let signers: Vec<_> = directory.accounts.iter().filter(has_signed).cloned().collect();
    let changes = route_changes(deps, changes, &signers);
    let text_changes = wabas_with_text_changes(&changes);
    let ArchivedPayload { entry, body, signature } = archived;
    let payload = WebhookPayload { body, changes, signature, archived: Some(entry), now: deps.now() };
    let summary = deps.webhook_payloads.ingest_payload(payload).await?;
    follow_up(deps, &summary, text_changes).await;
    Ok(summary)
}
