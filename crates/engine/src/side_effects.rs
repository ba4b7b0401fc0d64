//! Detection of side effects, in the store and at Meta: a request that failed after a committed change must not run again with the same
//! `Idempotency-Key`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

tokio::task_local! {
    /// `true` once the request of the task has changed the store.
    static HAS_EFFECT: Arc<AtomicBool>;
}

/// Flag that is set when the observed request has changed the store.
#[derive(Clone, Debug, Default)]
pub struct EffectFlag(Arc<AtomicBool>);

impl EffectFlag {
    /// Runs a request. The flag is set when the request has changed the store.
    pub async fn observe<F: Future>(&self, request: F) -> F::Output {
        HAS_EFFECT.scope(self.0.clone(), request).await
    }

    /// Returns `true` if the request has changed the store.
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Records that the request of this task has changed the store or something at Meta. Without an observer, nothing is recorded.
pub fn record() {
    let _unobserved = HAS_EFFECT.try_with(|flag| flag.store(true, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_effect_belongs_to_the_request_of_its_task() {
        let (first, second) = (EffectFlag::default(), EffectFlag::default());
        record();
        first.observe(async { record() }).await;
        second.observe(async {}).await;
        assert!(first.is_set() && !second.is_set());
    }
}
