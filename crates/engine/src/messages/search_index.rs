//! Full-text index of messages: filled in the background.
//!
//! **Invariant:** a batch is small: sends wait for a batch for a few milliseconds at most.

use jiff::SignedDuration;

use crate::Deps;
use crate::ports::StoreError;

/// Interval of the rounds. A search also finds what is not in the index yet.
pub const POLL_INTERVAL: SignedDuration = SignedDuration::from_millis(500);
/// Maximum number of messages and contacts in one transaction.
const BATCH: u32 = 100;
/// Maximum number of transactions of one round.
const MAX_BATCHES: u32 = 20;

/// Adds new messages, and contacts that have changed, to the index. Returns their number.
///
/// # Errors
/// The store cannot be used; the next round tries again.
pub async fn tick(deps: &Deps) -> Result<u32, StoreError> {
    let mut n_added = 0;
    for _ in 0..MAX_BATCHES {
        if !deps.search_index.get_search_backlog().await? {
            break;
        }
        n_added += deps.search_index.update_search_index(BATCH).await?;
    }
    Ok(n_added)
}
