//! What Meta posted before, taken once more: after a decoder was mended, or an account was added.
//!
//! A part that was applied before changes nothing: messages are known by their wamid, reports by wamid and status, all
//! else by its bytes.
//!
//! **Why both the signers and the signature are kept.** A secret may have been replaced since: then only the list of
//! those whose secret verified the POST when it came tells whose it is. An account may have been added since: then only
//! the signature shows that its secret signed it. Nothing is applied to an account for which neither speaks.

use std::sync::Arc;

use crate::Deps;
use crate::ports::{AccountRecord, IngestResult, PayloadQuery, Post, StoreError, StoredPayload};
use crate::webhooks_in::ingest::{HeardPart, follow_up, routed, with_new_words};

/// Some of the POSTs that are kept, in the order in which they came.
///
/// # Errors
/// When the store cannot be read.
pub async fn kept(deps: &Deps, wanted: &PayloadQuery) -> Result<Vec<StoredPayload>, StoreError> {
    deps.messages.list_payloads(wanted).await
}

/// Takes a kept POST once more. `verified` are the accounts whose secret verifies its signature by now.
///
/// # Errors
/// When the store cannot be written.
pub async fn again(
    deps: &Arc<Deps>,
    kept: StoredPayload,
    parts: Vec<HeardPart>,
    verified: &[Arc<AccountRecord>],
) -> Result<IngestResult, StoreError> {
    let directory = deps.directory.current();
    let has_signed = |record: &&Arc<AccountRecord>| {
        let id = record.account.id;
        kept.proof.signers.contains(&id) || verified.iter().any(|other| other.account.id == id)
    };
    let signers: Vec<_> = directory.accounts.iter().filter(has_signed).cloned().collect();
    let parts = routed(deps, parts, &signers);
    let renamed = with_new_words(&parts);
    let StoredPayload { again, body, proof } = kept;
    let post = Post { body, parts, proof, again: Some(again), now: deps.now() };
    let ingested = deps.messages.ingest_payload(post).await?;
    follow_up(deps, ingested, renamed).await;
    Ok(ingested)
}
