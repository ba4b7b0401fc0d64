//! Admission of a message: the request for the decision, and the error of a rejected send.
//!
//! [`domain::messages::admission`] has the rules.

use domain::messages::admission::{AdmissionFallback, AdmissionRequest, AdmissionStage, Rejection};
use domain::messages::retry;
use jiff::Timestamp;

use crate::Deps;
use crate::messages::retry_wait;
use crate::messages::send::{SendError, SendRequest, When};

/// Categories of the templates of a message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TemplateCategories {
    /// `true` if the message is a marketing template.
    pub(crate) is_marketing: bool,
    /// `true` if the fallback template is a marketing template.
    pub(crate) is_fallback_marketing: bool,
}

/// Returns the request for the decision about a message that is sent, or would be sent, at `now`.
pub(crate) fn admission_request(
    deps: &Deps,
    request: &SendRequest,
    categories: TemplateCategories,
    now: Timestamp,
) -> AdmissionRequest {
    let stage = match request.when {
        When::Sync => AdmissionStage::Sync,
        When::Queue(_) | When::Batch(..) => {
            AdmissionStage::Enqueue { max_queued: deps.settings.queue_per_account }
        }
    };
    let fallback = request.fallback.as_ref();
    AdmissionRequest {
        stage,
        leaves_at: request.when.leaves_at(now),
        needs_window: request.content.needs_window(),
        is_marketing: categories.is_marketing,
        fallback: fallback.map(|_| AdmissionFallback { is_marketing: categories.is_fallback_marketing }),
    }
}

/// Returns the error of a send that was rejected at `now`.
pub(crate) fn rejected(rejection: Rejection, now: Timestamp) -> SendError {
    match rejection {
        Rejection::Pacing { slot_at } => {
            // From this time on, a synchronous send can wait for the slot.
            let retry_at = slot_at.saturating_sub(retry::SYNC_TIMEOUT).unwrap_or(now);
            SendError::Pacing { slot_at, retry_after: retry_wait::seconds_until(retry_at, now) }
        }
        Rejection::OutsideWindow(window) => SendError::OutsideWindow(window),
        Rejection::OptedOut => SendError::OptedOut,
        Rejection::MarketingLimited { until } => SendError::MarketingLimited { until },
        Rejection::QueueFull => SendError::QueueFull,
    }
}
