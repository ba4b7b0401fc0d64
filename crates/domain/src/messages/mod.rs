//! Messages: contents and their limits, statuses, the customer service window, pacing, retries.

pub mod admission;
pub mod content;
pub mod direction;
pub mod download_retry;
pub mod inbound;
pub mod messaging_limit;
pub mod outcome;
pub mod pacing;
pub mod retry;
pub mod search;
pub mod status;
pub mod status_report;
pub mod window;
