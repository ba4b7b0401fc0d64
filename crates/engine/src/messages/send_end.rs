//! End of a send: the result to store, and the response to the caller.

use domain::check::Violation;
use domain::messages::outcome::{AcceptedMessage, SendOutcome};
use domain::messages::retry;
use domain::messages::retry::RetryDecision;
use domain::meta_error::MetaError;
use jiff::Timestamp;

use crate::media;
use crate::messages::outcome::{SendError, SendProgress};
use crate::messages::retry_wait;
use crate::ports::{AccountRecord, AttemptResult, Lease, MessageFailure, StoreError};

/// End of a send. The result must be stored; then the caller gets the response.
pub(crate) struct SendEnd {
    /// Lease of the last attempt.
    pub(crate) lease: Lease,
    /// Result to store.
    pub(crate) result: AttemptResult,
    /// Response to the caller.
    pub(crate) response: Result<SendProgress, SendError>,
}

impl SendEnd {
    /// The outcome is unknown.
    pub(crate) fn unknown(lease: Lease, reason: impl Into<String>) -> Self {
        let result = AttemptResult::Unknown { reason: reason.into() };
        Self { lease, result, response: Ok(SendProgress::Unknown) }
    }

    /// The store failed before the attempt.
    pub(crate) fn store_failed(lease: Lease, error: StoreError) -> Self {
        let failure = MessageFailure { code: "store_unavailable", meta: None };
        let response = Err(SendError::Store(error));
        Self { lease, result: AttemptResult::Failed(failure), response }
    }

    /// A file of the message can never be sent.
    pub(crate) fn media_failed(lease: Lease, violation: Violation) -> Self {
        let result = AttemptResult::Failed(media::failure(&violation));
        Self { lease, result, response: Err(SendError::Media(vec![violation])) }
    }
}

/// Last attempt to send a message.
pub(crate) struct LastAttempt<'a> {
    pub(crate) lease: Lease,
    pub(crate) record: &'a AccountRecord,
    pub(crate) decision: RetryDecision,
    /// Time at which the attempt ended.
    pub(crate) now: Timestamp,
}

impl LastAttempt<'_> {
    /// Returns the end of the send after an outcome that is not retried.
    pub(crate) fn end(&self, outcome: SendOutcome) -> SendEnd {
        let lease = self.lease;
        if self.decision == RetryDecision::Unknown {
            let reason = match outcome {
                SendOutcome::Unknown { reason } => reason,
                SendOutcome::Accepted(_)
                | SendOutcome::Refused(_)
                | SendOutcome::Stopped { .. }
                | SendOutcome::NotSent { .. } => "an earlier attempt may have been accepted".to_owned(),
            };
            return SendEnd::unknown(lease, reason);
        }
        match outcome {
            SendOutcome::Accepted(accepted) => {
                let AcceptedMessage { wamid, .. } = &accepted;
                let response = Ok(SendProgress::Sent { wamid: wamid.clone() });
                SendEnd { lease, result: AttemptResult::Sent(accepted), response }
            }
            SendOutcome::Unknown { reason } => SendEnd::unknown(lease, reason),
            SendOutcome::NotSent { reason } => {
                tracing::warn!(reason, "meta is unreachable");
                self.failed(None, SendError::MetaUnavailable(None))
            }
            SendOutcome::Stopped { http_status, retry_after } => {
                tracing::warn!(http_status, "a proxy or firewall before meta refused a message");
                let error = if self.code() == retry::META_RATE_LIMITED {
                    let retry_after = self.wait().or(retry_after).unwrap_or(retry_wait::DEFAULT_WAIT).max(1);
                    SendError::MetaRateLimited { retry_after, error: None }
                } else {
                    SendError::MetaUnavailable(None)
                };
                self.failed(None, error)
            }
            SendOutcome::Refused(error) if error.is_ambiguous() => {
                SendEnd::unknown(lease, "an ambiguous error")
            }
            SendOutcome::Refused(error) if self.decision == RetryDecision::Suspend => {
                // The message stays in the queue until the account is resumed.
                let result =
                    AttemptResult::Retry { due_at: self.now, keeps_lease: false, error: Some(error) };
                SendEnd { lease, result, response: Ok(SendProgress::Queued) }
            }
            SendOutcome::Refused(error) => {
                let send_error = self.refused(&error);
                self.failed(Some(error), send_error)
            }
        }
    }

    /// Returns the failure code of the message.
    fn code(&self) -> &'static str {
        match self.decision {
            RetryDecision::Fail { code, .. } => code,
            RetryDecision::Suspend => retry::ACCOUNT_DISCONNECTED,
            RetryDecision::Sent | RetryDecision::Unknown | RetryDecision::Retry { .. } => retry::META_ERROR,
        }
    }

    /// Returns the seconds until the next attempt, if the time for retries is over.
    fn wait(&self) -> Option<u32> {
        match self.decision {
            RetryDecision::Fail { retry_at, .. } => {
                retry_at.map(|retry_at| retry_wait::seconds_until(retry_at, self.now))
            }
            RetryDecision::Sent
            | RetryDecision::Unknown
            | RetryDecision::Suspend
            | RetryDecision::Retry { .. } => None,
        }
    }

    fn failed(&self, meta: Option<MetaError>, error: SendError) -> SendEnd {
        let result = AttemptResult::Failed(MessageFailure { code: self.code(), meta });
        SendEnd { lease: self.lease, result, response: Err(error) }
    }

    fn refused(&self, error: &MetaError) -> SendError {
        let boxed = Box::new(error.clone());
        match self.code() {
            retry::META_RATE_LIMITED => {
                let retry_after = self.wait().unwrap_or_else(|| retry_wait::retry_after(error)).max(1);
                SendError::MetaRateLimited { retry_after, error: Some(boxed) }
            }
            retry::META_UNAVAILABLE => SendError::MetaUnavailable(Some(boxed)),
            retry::ACCOUNT_DISCONNECTED => SendError::AccountSuspended {
                account: Box::new(self.record.account.clone()),
                error: Some(boxed),
            },
            _ => SendError::Refused(boxed),
        }
    }
}
