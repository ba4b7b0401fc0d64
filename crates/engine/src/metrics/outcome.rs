//! Events that are counted: changes of message statuses, and outcomes of calls and deliveries.

use domain::id::AccountId;
use domain::messages::outcome::SendOutcome;
use domain::messages::status::{MessageStatus, failure_code_label};
use domain::meta_error::{MetaError, TABLE};

use super::label::Label;

/// Change of a message's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageTransition {
    pub(super) account: AccountId,
    pub(super) status: MessageStatus,
    /// Labels of a failure: code of the gateway, code of Meta.
    pub(super) failure: Option<(&'static str, Label)>,
}

impl MessageTransition {
    /// Creates a change to the given status. An inbound message changes to `received`.
    pub fn new(
        account: AccountId,
        status: MessageStatus,
        code: Option<&str>,
        error: Option<&MetaError>,
    ) -> Self {
        let failure = (status == MessageStatus::Failed).then(|| {
            let code = match (code, error) {
                (Some(code), _) => failure_code_label(code),
                (None, Some(_)) => "meta_error",
                (None, None) => "other",
            };
            (code, error.map_or(Label::Static(""), meta_code))
        });
        Self { account, status, failure }
    }
}

/// Returns Meta's code if it is in the table of errors, else `other`.
fn meta_code(error: &MetaError) -> Label {
    if TABLE.iter().any(|entry| entry.code == error.code) {
        Label::Number(error.code)
    } else if (200..=299).contains(&error.code) {
        Label::Number(200)
    } else {
        Label::Static("other")
    }
}

domain::text_enum! {
    /// Outcome of an attempt to deliver an event to a webhook endpoint.
    pub enum DeliveryOutcome {
        /// The endpoint accepted the event.
        Succeeded = "succeeded",
        /// The attempt failed; another attempt follows.
        Failed = "failed",
        /// The attempt failed; no other attempt follows.
        Dead = "dead",
    }
}

domain::text_enum! {
    /// Outcome of the export of trace spans.
    pub enum SpanOutcome {
        /// The collector accepted the spans.
        Exported = "exported",
        /// The collector did not accept the spans.
        Lost = "lost",
        /// The spans were created faster than the collector accepts them.
        Dropped = "dropped",
    }
}

domain::text_enum! {
    /// Outcome of a call to Meta that sends no message.
    pub enum UpstreamCallOutcome {
        /// Meta responded with success.
        Answered = "answered",
        /// Meta responded with an error.
        Refused = "refused",
        /// Meta could not be reached, or its response could not be decoded.
        Unreachable = "unreachable",
    }
}

/// Returns the text of the label for the outcome of a send.
#[must_use]
pub fn send_outcome_label(outcome: &SendOutcome) -> &'static str {
    match outcome {
        SendOutcome::Accepted(_) => "accepted",
        SendOutcome::Refused(_) => "refused",
        SendOutcome::Stopped { .. } => "stopped",
        SendOutcome::NotSent { .. } => "not_sent",
        SendOutcome::Unknown { .. } => "unknown",
    }
}
