//! Repeated requests: after a rate limit, while the gateway is unavailable, and after a broken connection.
//!
//! **Invariant:** only requests that have an effect at most once are repeated: sends with an idempotency key, and uploads.

use engine::ports::{Clock as _, Random as _};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::cli::gateway_client::{ApiRequest, ApiResponse, CallError, GatewayClient};
use crate::cli::terminal::print_note;
use crate::clock::SystemClock;
use crate::random::OsRandom;

/// Time until the request is repeated after a broken connection.
const RECONNECT_AFTER: SignedDuration = SignedDuration::from_secs(2);

/// Deadline of a command.
pub(super) struct RepeatUntil {
    clock: SystemClock,
    deadline: Timestamp,
}

impl RepeatUntil {
    /// Creates a deadline after a time from now.
    pub(super) fn until_after(timeout: SignedDuration) -> Self {
        let clock = SystemClock::new();
        let deadline = clock.now().saturating_add(timeout).unwrap_or(Timestamp::MAX);
        Self { clock, deadline }
    }

    /// Sends a request until the response says something else than "try again later", or until the deadline.
    ///
    /// # Errors
    /// `NotSent`, if no attempt reached the gateway; `NoResponse`, if an attempt may have had an effect.
    pub(super) async fn call(
        &self,
        client: &GatewayClient,
        call: &ApiRequest<'_>,
    ) -> Result<ApiResponse, CallError> {
        let (mut is_first, mut is_lost) = (true, false);
        loop {
            let result = client.call(call).await;
            let (wait, reason) = match result {
                Ok(response) => match retry_wait(&response) {
                    Some((wait, reason)) if self.has_time(wait) => (wait, reason),
                    Some(_) | None if is_unknown(&response, is_lost) => {
                        let status = response.status;
                        return Err(CallError::NoResponse(anyhow::anyhow!(
                            "the gateway responded with {status}"
                        )));
                    }
                    Some(_) | None => return Ok(response),
                },
                // The first attempt shows that the address is wrong, or that no gateway is running.
                Err(error @ CallError::NotSent(_)) if is_first => return Err(error),
                Err(error) => {
                    is_lost |= matches!(error, CallError::NoResponse(_));
                    if !self.has_time(RECONNECT_AFTER) {
                        return Err(match error {
                            // The connection of this attempt failed, but an earlier attempt may have arrived.
                            CallError::NotSent(error) if is_lost => CallError::NoResponse(error),
                            error @ (CallError::NotSent(_) | CallError::NoResponse(_)) => error,
                        });
                    }
                    (RECONNECT_AFTER, format!("{:#}", anyhow::Error::from(error)))
                }
            };
            is_first = false;
            print_note(&format!("waiting {} s: {reason}", wait.as_secs()));
            self.clock.sleep_until(self.after(wait)).await;
        }
    }

    fn after(&self, wait: SignedDuration) -> Timestamp {
        self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX)
    }

    fn has_time(&self, wait: SignedDuration) -> bool {
        self.after(wait) <= self.deadline
    }
}

/// Returns the time after which the request can be repeated, and the reason.
fn retry_wait(response: &ApiResponse) -> Option<(SignedDuration, String)> {
    let seconds = response.retry_after?.max(1);
    let json = response.json().ok()?;
    let code = json.get("code").and_then(Value::as_str).unwrap_or_default();
    let is_temporary =
        matches!(response.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            || code == "idempotency_in_progress";
    let reason = json.get("message").and_then(Value::as_str).unwrap_or_default();
    is_temporary.then(|| (SignedDuration::from_secs(i64::from(seconds)), format!("{reason} ({code})")))
}

/// Returns `true` if a response does not say if the request had an effect. `is_lost`: the response to an earlier attempt was
/// lost, and a response that refuses this attempt says nothing about the earlier one.
fn is_unknown(response: &ApiResponse, is_lost: bool) -> bool {
    let json = response.json().unwrap_or_default();
    match json.get("code").and_then(Value::as_str) {
        Some("idempotency_in_progress" | "idempotency_interrupted") => true,
        Some(_) => {
            is_lost
                && (response.status.is_server_error() || matches!(response.status.as_u16(), 401 | 403 | 429))
        }
        // The response of a proxy.
        None => response.status.is_server_error() || (is_lost && !response.status.is_success()),
    }
}

/// Returns a new random text: an idempotency key, or the boundary of a form.
pub(super) fn new_token() -> String {
    let mut bytes = [0; 16];
    OsRandom::new().fill(&mut bytes);
    format!("send-{}", uuid::Builder::from_random_bytes(bytes).into_uuid())
}
