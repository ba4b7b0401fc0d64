//! Retries of downloads: a file of a message that cannot be downloaded yet.

use jiff::{SignedDuration, Timestamp};

use crate::messages::retry::{RetryDecision, SendAttempt, SendMode};
use crate::time::later;

/// Time for which the download of a file of a queued message is retried.
///
/// A message about an order or an appointment is worth little without its file, and most outages of file servers are
/// shorter.
pub const DOWNLOAD_RETRY_PERIOD: SignedDuration = SignedDuration::from_mins(10);

/// Failure code: a file of the message cannot be used.
pub const MEDIA_FAILED: &str = "media_failed";

/// Decides what follows a failed download of a file of the message. Downloads fail since `failing_since`.
pub fn decide_download(attempt: &SendAttempt, failing_since: Timestamp) -> RetryDecision {
    match (attempt.retry(MEDIA_FAILED, attempt.backoff(), None), attempt.mode) {
        (RetryDecision::Retry { at }, SendMode::Queue { .. })
            if at > later(failing_since, DOWNLOAD_RETRY_PERIOD) =>
        {
            RetryDecision::Fail { code: MEDIA_FAILED, retry_at: Some(at) }
        }
        (decision, _) => decision,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::retry::SYNC_TIMEOUT;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_767_225_600_000 + ms).expect("a time")
    }

    fn attempt(mode: SendMode) -> SendAttempt {
        SendAttempt { n_calls: 1, mode, now: at(0), slot_at: at(0), random: 0 }
    }

    fn sync() -> SendAttempt {
        attempt(SendMode::Sync { deadline: later(at(0), SYNC_TIMEOUT) })
    }

    fn queued(expires_at: Option<Timestamp>) -> SendAttempt {
        attempt(SendMode::Queue { since: at(0), expires_at })
    }

    #[test]
    fn a_download_is_retried_for_ten_minutes() {
        let after = |ms| SendAttempt { now: at(ms), n_calls: 40, ..queued(None) };
        let end = 10 * 60_000;
        assert_eq!(decide_download(&after(end - 100), at(0)), RetryDecision::Retry { at: at(end) });
        let too_late = RetryDecision::Fail { code: MEDIA_FAILED, retry_at: Some(at(end + 1)) };
        assert_eq!(decide_download(&after(end - 99), at(0)), too_late);
        assert_eq!(decide_download(&after(end - 99), at(1)), RetryDecision::Retry { at: at(end + 1) });
        // A message that expires earlier expires in the queue.
        assert_eq!(decide_download(&queued(Some(at(50))), at(0)), RetryDecision::Retry { at: at(50) });
        assert_eq!(decide_download(&sync(), at(0)), RetryDecision::Retry { at: at(100) });
        let late = SendAttempt { now: at(4_950), ..sync() };
        let too_late = RetryDecision::Fail { code: MEDIA_FAILED, retry_at: Some(at(5_050)) };
        assert_eq!(decide_download(&late, at(4_950)), too_late);
    }
}
