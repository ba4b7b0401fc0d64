//! Retries of event deliveries and dead letters.

use jiff::{SignedDuration, Timestamp};

use crate::text_enum;

/// Age of an event at which its delivery becomes a dead letter.
pub const DEAD_LETTER_AFTER: SignedDuration = SignedDuration::from_hours(42);
/// Number of failed attempts in a row after which an endpoint is failing.
pub const FAILING_AFTER_ATTEMPTS: u32 = 3;
/// Number of failed attempts of a delivery after which later deliveries of its queue pass it, if the endpoint allows it.
pub const PASSED_AFTER_ATTEMPTS: u32 = 2;
/// Time of continuous failure after which an endpoint is disabled.
pub const DISABLED_AFTER: SignedDuration = SignedDuration::from_hours(5 * 24);
/// Time before the end of the retries at which a last attempt is made, if the schedule would place it after the end.
const FINAL_ATTEMPT_MARGIN: SignedDuration = SignedDuration::from_mins(1);
/// Divisor of the jitter: a fifth of the wait, longer or shorter.
const JITTER_PARTS: i128 = 5;

text_enum! {
    /// Status of a delivery.
    pub enum DeliveryStatus {
        /// No attempt was made yet.
        Pending = "pending",
        /// The endpoint accepted the event.
        Succeeded = "succeeded",
        /// The last attempt failed; it will be retried.
        Failed = "failed",
        /// Dead letter: no further attempt, unless a redelivery is requested.
        Dead = "dead",
    }
}

text_enum! {
    /// Status of a webhook endpoint.
    pub enum WebhookStatus {
        /// The endpoint accepts deliveries.
        Active = "active",
        /// The last attempts failed.
        Failing = "failing",
        /// No events are delivered.
        Disabled = "disabled",
    }
}

text_enum! {
    /// Order of the deliveries to an endpoint.
    pub enum WebhookOrdering {
        /// Later events of a contact pass an event that has failed twice.
        BestEffort = "best_effort",
        /// The events of a contact wait until the event before was accepted, has become a dead letter or was skipped.
        Strict = "strict",
    }
}

text_enum! {
    /// Reason why a delivery became a dead letter without a further attempt.
    pub enum DeadLetterReason {
        /// A user skipped the delivery.
        Skipped = "skipped",
        /// The delivery reached [`DEAD_LETTER_AFTER`].
        Expired = "the endpoint did not accept the event within 42 hours",
        /// The endpoint was deleted, or disabled by failures.
        EndpointClosed = "the endpoint was disabled or deleted",
        /// Retention deleted the event.
        EventDeleted = "the event was deleted after its retention period",
    }
}

/// Result of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointResponse {
    /// The endpoint accepted the event.
    Succeeded,
    /// The endpoint is gone (HTTP 410).
    Gone,
    /// Any other result.
    Failed {
        /// Time to wait that the endpoint requested.
        retry_after: Option<SignedDuration>,
    },
}

/// Decision after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryDecision {
    /// The delivery is complete.
    Succeeded,
    /// The delivery is retried.
    Retry {
        /// Time of the retry.
        at: Timestamp,
    },
    /// The delivery becomes a dead letter.
    Dead,
    /// The delivery becomes a dead letter and the endpoint is disabled.
    Gone,
}

/// An attempt that has ended.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryAttempt {
    /// Result.
    pub response: EndpointResponse,
    /// Number of failed attempts of this delivery before.
    pub n_failures: u32,
    /// Time at which the delivery becomes a dead letter.
    pub ends_at: Timestamp,
    /// Time at which the attempt ended.
    pub now: Timestamp,
    /// Random number for the jitter.
    pub random: u64,
}

/// Decides what follows an attempt. `schedule` has the waits after the first failure, the second, and so on.
#[must_use]
pub fn decide(schedule: &[SignedDuration], attempt: &DeliveryAttempt) -> DeliveryDecision {
    let DeliveryAttempt { response, n_failures, ends_at, now, random } = *attempt;
    let requested = match response {
        EndpointResponse::Succeeded => return DeliveryDecision::Succeeded,
        EndpointResponse::Gone => return DeliveryDecision::Gone,
        EndpointResponse::Failed { retry_after } => retry_after,
    };
    let step = usize::try_from(n_failures).unwrap_or(usize::MAX);
    let Some(wait) = schedule.get(step) else { return DeliveryDecision::Dead };
    let own = now.saturating_add(jittered(*wait, random)).unwrap_or(Timestamp::MAX);
    let requested = requested.map_or(own, |wait| now.saturating_add(wait).unwrap_or(Timestamp::MAX));
    let at = own.max(requested);
    // A last attempt is made just before the end if jitter or `Retry-After` would place it after the end.
    let final_attempt_at = ends_at.saturating_sub(FINAL_ATTEMPT_MARGIN).unwrap_or(now);
    let at = if at >= ends_at && final_attempt_at > now { final_attempt_at } else { at };
    if at < ends_at { DeliveryDecision::Retry { at } } else { DeliveryDecision::Dead }
}

/// Returns a wait that is longer or shorter by a random part of at most a fifth.
fn jittered(wait: SignedDuration, random: u64) -> SignedDuration {
    let micros = wait.as_micros();
    // The offset is from -1/5 to +1/5 of the wait. The random number is a fraction of 2^64.
    let width = 2 * micros / JITTER_PARTS;
    let offset = (width.saturating_mul(i128::from(random)) >> 64) - width / 2;
    let sum = i64::try_from(micros.saturating_add(offset)).unwrap_or(i64::MAX);
    SignedDuration::from_micros(sum.max(0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WAITS: [i64; 8] = [10, 60, 300, 1_800, 7_200, 18_000, 36_000, 86_400];

    fn schedule() -> Vec<SignedDuration> {
        WAITS.into_iter().map(SignedDuration::from_secs).collect()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    fn failed(n_failures: u32, now: i64) -> DeliveryAttempt {
        DeliveryAttempt {
            response: EndpointResponse::Failed { retry_after: None },
            n_failures,
            ends_at: at(42 * 3600),
            now: at(now),
            random: 1 << 63,
        }
    }

    #[test]
    fn the_waits_follow_the_schedule_and_a_dead_letter_follows() {
        for (n_failures, wait) in (0..).zip(WAITS) {
            assert_eq!(decide(&schedule(), &failed(n_failures, 0)), DeliveryDecision::Retry { at: at(wait) });
        }
        assert_eq!(decide(&schedule(), &failed(8, 0)), DeliveryDecision::Dead);
    }

    #[test]
    fn the_requested_wait_is_used_if_it_is_longer() {
        let requested = |seconds| DeliveryAttempt {
            response: EndpointResponse::Failed { retry_after: Some(SignedDuration::from_secs(seconds)) },
            ..failed(0, 0)
        };
        assert_eq!(decide(&schedule(), &requested(3_600)), DeliveryDecision::Retry { at: at(3_600) });
        assert_eq!(decide(&schedule(), &requested(1)), DeliveryDecision::Retry { at: at(10) });
        assert_eq!(
            decide(&schedule(), &requested(43 * 3600)),
            DeliveryDecision::Retry { at: at(42 * 3600 - 60) }
        );
        assert_eq!(
            decide(&schedule(), &requested(i64::MAX / 2)),
            DeliveryDecision::Retry { at: at(42 * 3600 - 60) }
        );
    }

    #[test]
    fn the_last_attempt_is_not_lost_to_its_jitter() {
        let late = DeliveryAttempt { random: u64::MAX, ..failed(7, 63_000) };
        assert_eq!(decide(&schedule(), &late), DeliveryDecision::Retry { at: at(42 * 3600 - 60) });
    }

    #[test]
    fn a_delivery_to_an_endpoint_that_is_gone_is_not_retried() {
        assert_eq!(
            decide(&schedule(), &DeliveryAttempt { response: EndpointResponse::Gone, ..failed(0, 0) }),
            DeliveryDecision::Gone
        );
        assert_eq!(
            decide(&schedule(), &DeliveryAttempt { response: EndpointResponse::Succeeded, ..failed(5, 0) }),
            DeliveryDecision::Succeeded
        );
    }

    proptest! {
        #[test]
        fn no_attempt_is_made_at_or_after_the_end(
            n_failures in 0_u32..12, now in 0_i64..200_000, random: u64, requested in prop::option::of(0_i64..200_000),
        ) {
            let retry_after = requested.map(SignedDuration::from_secs);
            let attempt = DeliveryAttempt { response: EndpointResponse::Failed { retry_after }, random, ..failed(n_failures, now) };
            if let DeliveryDecision::Retry { at } = decide(&schedule(), &attempt) {
                prop_assert!(at < attempt.ends_at && at >= attempt.now);
            }
        }

        #[test]
        fn the_jitter_is_at_most_a_fifth(wait in 0_i64..1_000_000, random: u64) {
            let offset = jittered(SignedDuration::from_secs(wait), random).as_micros();
            prop_assert!(offset * 5 >= i128::from(wait) * 4_000_000 - 5);
            prop_assert!(offset * 5 <= i128::from(wait) * 6_000_000 + 5);
        }
    }
}
