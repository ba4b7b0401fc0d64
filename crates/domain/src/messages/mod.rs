//! Messages: contents and their limits, statuses, the customer service window, pacing, retries.

pub mod content;
pub mod message;
pub mod messaging_limit;
pub mod outcome;
pub mod pacing;
pub mod retry;
pub mod window;
