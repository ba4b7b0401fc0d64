//! Time and randomness.

use async_trait::async_trait;
use jiff::Timestamp;

/// Clock.
#[async_trait]
pub trait Clock: Send + Sync {
    /// Returns the current time.
    fn now(&self) -> Timestamp;

    /// Returns the real time for other systems. It differs from `now` only while `waypost dev` simulates another time.
    fn real_now(&self) -> Timestamp {
        self.now()
    }

    /// Waits until the deadline.
    async fn sleep_until(&self, deadline: Timestamp);
}

/// Random number generator.
pub trait Random: Send + Sync {
    /// Fills the slice with random bytes.
    fn fill(&self, bytes: &mut [u8]);
}
