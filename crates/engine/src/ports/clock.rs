//! Time and randomness.

use async_trait::async_trait;
use jiff::Timestamp;

/// Tells the time, and lets a task wait for it.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> Timestamp;

    /// Returns once [`Clock::now`] has reached `deadline`.
    async fn sleep_until(&self, deadline: Timestamp);
}

/// Draws chance.
pub trait Random: Send + Sync {
    /// Fills `bytes` with random ones.
    fn fill(&self, bytes: &mut [u8]);
}
