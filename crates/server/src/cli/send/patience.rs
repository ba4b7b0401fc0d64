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
pub(super) struct Patience {
    clock: SystemClock,
    deadline: Timestamp,
}

impl Patience {
    /// Creates a deadline after a time from now.
    pub(super) fn until_after(timeout: SignedDuration) -> Self {
        let clock = SystemClock::new();
        let deadline = clock.now().saturating_add(timeout).unwrap_or(Timestamp::MAX);
        Self { clock, deadline }
    }

    /// Sends a request until the response says something else than "try again later", or until the deadline.
    ///
    /// # Errors
    /// If there is no response.
    pub(super) async fn call(
        &self,
        client: &GatewayClient,
        call: &ApiRequest<'_>,
    ) -> Result<ApiResponse, CallError> {
        let mut has_been_sent = false;
        loop {
            let result = client.call(call).await;
            let (wait, reason) = match result {
                Ok(response) => match retry_wait(&response) {
                    Some((wait, reason)) if self.has_time(wait) => (wait, reason),
                    Some(_) | None => return Ok(response),
                },
                // The first attempt shows that the address is wrong, or that no gateway is running.
                Err(error @ CallError::NotSent(_)) if !has_been_sent => return Err(error),
                Err(error) if self.has_time(RECONNECT_AFTER) => {
                    (RECONNECT_AFTER, format!("{:#}", anyhow::Error::from(error)))
                }
                // The connection of a repeated request failed, but an earlier one may have arrived.
                Err(CallError::NotSent(error) | CallError::NoResponse(error)) => {
                    return Err(CallError::NoResponse(error));
                }
            };
            has_been_sent = true;
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
    let seconds = response.retry_after?;
    let json = response.json().ok()?;
    let code = json.get("code").and_then(Value::as_str).unwrap_or_default();
    let is_temporary =
        matches!(response.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
            || code == "idempotency_in_progress";
    let reason = json.get("message").and_then(Value::as_str).unwrap_or_default();
    is_temporary.then(|| (SignedDuration::from_secs(i64::from(seconds)), format!("{reason} ({code})")))
}

/// Returns a new idempotency key.
pub(super) fn new_key() -> String {
    let mut bytes = [0; 16];
    OsRandom::new().fill(&mut bytes);
    format!("send-{}", uuid::Builder::from_random_bytes(bytes).into_uuid())
}
