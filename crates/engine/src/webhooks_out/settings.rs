//! Settings of deliveries.

use jiff::SignedDuration;

/// Settings of deliveries.
#[derive(Clone, Debug)]
pub struct DeliverySettings {
    /// Delays before the second attempt, the third attempt, and so on.
    pub schedule: Vec<SignedDuration>,
    /// Maximum number of concurrent attempts of an endpoint.
    pub concurrency: u32,
    /// Maximum number of attempts of an endpoint that begin in one second; `None` is no limit.
    pub per_second: Option<u32>,
}

impl Default for DeliverySettings {
    fn default() -> Self {
        let seconds = [10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400];
        Self {
            schedule: seconds.into_iter().map(SignedDuration::from_secs).collect(),
            concurrency: 16,
            per_second: None,
        }
    }
}
