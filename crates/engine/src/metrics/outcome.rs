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

/// Outcome of an attempt to deliver an event to a webhook endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The endpoint accepted the event.
    Succeeded,
    /// The attempt failed; another attempt follows.
    Failed,
    /// The attempt failed; no other attempt follows.
    Dead,
}

impl DeliveryOutcome {
    /// Returns the text of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// Outcome of the export of trace spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanOutcome {
    /// The collector accepted the spans.
    Exported,
    /// The collector did not accept the spans.
    Lost,
    /// The spans were created faster than the collector accepts them.
    Dropped,
}

impl SpanOutcome {
    /// Returns the text of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exported => "exported",
            Self::Lost => "lost",
            Self::Dropped => "dropped",
        }
    }
}

/// Outcome of a call to Meta that sends no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamCallOutcome {
    /// Meta responded with success.
    Answered,
    /// Meta responded with an error.
    Refused,
    /// Meta could not be reached, or its response could not be decoded.
    Unreachable,
}

impl UpstreamCallOutcome {
    /// Returns the text of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
        }
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
